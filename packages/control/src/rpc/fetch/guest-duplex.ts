import { Duplex, type DuplexOptions } from "node:stream";

import type { GuestSocket } from "@skerry/protocol";

/** A connection inside the machine as Node's HTTP and TLS take it. */
export class GuestDuplex extends Duplex {
  readonly #socket: GuestSocket;
  readonly #output: AsyncIterator<Uint8Array>;

  /** With `allowHalfOpen: false` our side ends when the other does. */
  constructor(socket: GuestSocket, { allowHalfOpen = true }: DuplexOptions = {}) {
    super({ allowHalfOpen });
    this.#socket = socket;
    this.#output = socket.output[Symbol.asyncIterator]();
  }

  override _read(): void {
    this.#output.next().then(
      (next) => {
        if (!this.destroyed) this.push(next.done === true ? null : Buffer.from(next.value));
      },
      (error: unknown) => this.destroy(asError(error)),
    );
  }

  override _write(
    chunk: Buffer,
    _encoding: BufferEncoding,
    written: (error?: Error | null) => void,
  ): void {
    this.#socket.input.write(chunk).then(
      () => written(),
      (error: unknown) => written(asError(error)),
    );
  }

  /** What Node writes in pieces, such as the length of a chunk and the chunk, goes in one. */
  override _writev(
    pieces: { readonly chunk: Buffer }[],
    written: (error?: Error | null) => void,
  ): void {
    const whole = Buffer.concat(pieces.map(({ chunk }) => chunk));
    this._write(whole, "latin1", written); // which bytes do not have
  }

  override _final(finished: (error?: Error | null) => void): void {
    this.#socket.input.end();
    finished();
  }

  override _destroy(error: Error | null, destroyed: (error?: Error | null) => void): void {
    this.#socket.close();
    destroyed(error);
  }

  /** What Node's HTTP client asks of a socket, which means nothing here. */
  setKeepAlive(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
