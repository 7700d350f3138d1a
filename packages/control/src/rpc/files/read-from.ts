import { limits, type ByteStream, type Guest } from "@skerry/protocol";

/**
 * The content of a file from `offset` bytes on, at the pace of whoever reads it.
 *
 * @throws {GuestError} when it cannot be opened; a directory is `EISDIR`.
 */
export async function readFrom(
  guest: Guest,
  path: string,
  offset: number,
  signal: AbortSignal,
): Promise<ByteStream> {
  if (offset === 0) return await guest.readFile(path);
  const { handle } = await guest.call("fs.open", { path, read: true }, signal);
  try {
    await guest.call("file.seek", { handle, offset, whence: 0 }, signal);
    const first = await guest.readHandle(handle, limits.handleReadBytesMax, signal);
    return rest(guest, handle, first);
  } catch (error) {
    await close(guest, handle);
    throw error;
  }
}

async function* rest(
  guest: Guest,
  handle: number,
  first: Uint8Array,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    let bytes = first;
    while (bytes.length > 0) {
      const next = guest.readHandle(handle, limits.handleReadBytesMax);
      next.catch(() => {}); // awaited below, unless nobody reads on
      yield bytes;
      bytes = await next;
    }
  } finally {
    await close(guest, handle);
  }
}

/** A guest that cannot be told has gone, and its files with it. */
async function close(guest: Guest, handle: number): Promise<void> {
  await guest.call("file.close", { handle }).catch(() => {});
}
