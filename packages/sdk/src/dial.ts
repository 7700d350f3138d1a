import type { Rpc } from "./rpc.ts";

/** A server inside a sandbox: a port, by default of the sandbox itself, or a Unix socket. */
export type DialTarget =
  | { readonly port: number; readonly host?: string | undefined }
  | { readonly path: string };

/** A connection to a server inside a sandbox. */
export interface SandboxConnection {
  /** What the server sends. Cancelling it ends the connection. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What the server is sent. Closing it says that there is no more. */
  readonly writable: WritableStream<Uint8Array>;
}

/** @internal */
export async function dial(rpc: Rpc, target: DialTarget): Promise<SandboxConnection> {
  await rpc.ready();
  const { id, writable } = rpc.streams.writable();
  try {
    const { outputStreamId } = await rpc.call("dial", { ...target, inputStreamId: id });
    return { readable: rpc.streams.take(outputStreamId), writable };
  } catch (error) {
    await writable.abort(error);
    throw error;
  }
}
