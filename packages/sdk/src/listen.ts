import type { SandboxConnection } from "./dial.ts";
import type { Rpc } from "./rpc.ts";

/** Where programs in a sandbox connect to: a port, by default of `localhost`, or a Unix socket. */
export type ListenTarget =
  /** Port 0 is any that is free. `host` is an address of the sandbox, or `""` for all of them. */
  { readonly port: number; readonly host?: string | undefined } | { readonly path: string };

/** A connection that a program in the sandbox has made. */
export interface AcceptedConnection extends SandboxConnection {
  /** Whence it came; null for a Unix socket. */
  readonly address: string | null;
  readonly port: number | null;
}

/**
 * A socket that listens inside a sandbox, for a server outside. It ends with the connection of its
 * client; iterating gives each connection once, until it is closed.
 */
export class SandboxListener implements AsyncIterable<AcceptedConnection>, AsyncDisposable {
  /** The one that was chosen; null for a Unix socket. */
  readonly port: number | null;
  readonly #rpc: Rpc;
  readonly #id: number;
  #closed: Promise<void> | undefined;

  private constructor(rpc: Rpc, id: number, port: number | null) {
    this.#rpc = rpc;
    this.#id = id;
    this.port = port;
  }

  /** @internal */
  static async open(rpc: Rpc, target: ListenTarget): Promise<SandboxListener> {
    const { listenerId, port } = await rpc.call("listen", target);
    return new SandboxListener(rpc, listenerId, port);
  }

  /** The next connection. @throws {OperationError} when the listener is closed. */
  async accept(): Promise<AcceptedConnection> {
    await this.#rpc.ready();
    const { id, writable } = this.#rpc.streams.writable();
    try {
      const params = { listenerId: this.#id, inputStreamId: id };
      const { outputStreamId, address, port } = await this.#rpc.call("accept", params);
      return { readable: this.#rpc.streams.take(outputStreamId), writable, address, port };
    } catch (error) {
      await writable.abort(error);
      throw error;
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<AcceptedConnection, void, undefined> {
    while (this.#closed === undefined) {
      let accepted: AcceptedConnection;
      try {
        accepted = await this.accept();
      } catch (error) {
        if (this.#closed !== undefined) return;
        throw error;
      }
      yield accepted;
    }
  }

  /** Listens no more; connections that were accepted go on. */
  close(): Promise<void> {
    this.#closed ??= this.#rpc.call("closeListener", { listenerId: this.#id }).then(() => {});
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
