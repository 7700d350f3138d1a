import { decodeBase64, encodeBase64 } from "./base64.ts";
import { infoOf, type FileInfo } from "./file-info.ts";
import type { Rpc } from "./rpc.ts";

/** From where a `seek` counts. */
export const SeekMode = { Start: 0, Current: 1, End: 2 } as const;
export type SeekMode = (typeof SeekMode)[keyof typeof SeekMode];

/** How to open a file. At least one of `read`, `write` and `append`; default: `read`. */
export interface OpenOptions {
  readonly read?: boolean | undefined;
  readonly write?: boolean | undefined;
  /** Every write goes to the end of the file. */
  readonly append?: boolean | undefined;
  /** Empties the file. Needs `write`. */
  readonly truncate?: boolean | undefined;
  /** Makes the file when there is none. Needs `write` or `append`. */
  readonly create?: boolean | undefined;
  /** Makes the file, and fails when there is one. */
  readonly createNew?: boolean | undefined;
  /** Permission bits of a file that is made. Default `0o666`, less the umask. */
  readonly mode?: number | undefined;
}

/** Bytes that one read of a stream asks for: what the server gives at once. */
const pieceBytes = 262_144;

/**
 * An open file of a sandbox. It stays open until it is closed or the connection ends; every method
 * throws an `OperationError` `BadResource` (`"EBADF"`) after that.
 */
export class FsFile implements AsyncDisposable {
  readonly #rpc: Rpc;
  readonly #id: number;
  #isClosed = false;

  /** @internal Use `sandbox.fs.open()` or `sandbox.fs.create()`. */
  constructor(rpc: Rpc, id: number) {
    this.#rpc = rpc;
    this.#id = id;
  }

  /** The rest of the file, from where it stands. It closes the file when it ends. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream({
      pull: async (controller) => {
        const bytes = await this.#readPiece(pieceBytes);
        if (bytes !== null) return controller.enqueue(bytes);
        controller.close();
        await this.close();
      },
      cancel: () => this.close(),
    });
  }

  /** Writes to the file where it stands. It closes the file when it is closed. */
  get writable(): WritableStream<Uint8Array> {
    return new WritableStream({
      write: (chunk) => this.#writeAll(chunk),
      close: () => this.close(),
      abort: () => this.close(),
    });
  }

  /**
   * Reads into `buffer`.
   *
   * @returns how many bytes were read, which may be fewer than there is room for, or `null` at the
   * end of the file.
   */
  async read(buffer: Uint8Array): Promise<number | null> {
    if (buffer.byteLength === 0) return 0;
    const bytes = await this.#readPiece(buffer.byteLength);
    if (bytes === null) return null;
    buffer.set(bytes);
    return bytes.byteLength;
  }

  /** Writes bytes. @returns how many were written, which may be fewer. */
  async write(bytes: Uint8Array): Promise<number> {
    const params = { fileHandleId: this.#id, data: encodeBase64(bytes) };
    return (await this.#rpc.call("fileWrite", params)).bytesWritten;
  }

  /** Moves to `offset` bytes from the start, the current position or the end. @returns the new position. */
  async seek(offset: number | bigint, whence: SeekMode = SeekMode.Start): Promise<number> {
    const wire = typeof offset === "bigint" ? offset.toString() : offset;
    const params = { fileHandleId: this.#id, offset: wire, whence };
    return (await this.#rpc.call("fileSeek", params)).position;
  }

  /** What the file is. */
  async stat(): Promise<FileInfo> {
    return infoOf(await this.#rpc.call("fileStat", { fileHandleId: this.#id }));
  }

  /** Waits until content and metadata are on the disk. */
  async sync(): Promise<void> {
    await this.#rpc.call("fileSync", { fileHandleId: this.#id });
  }

  /** Waits until the content is on the disk. */
  async syncData(): Promise<void> {
    await this.#rpc.call("fileSyncData", { fileHandleId: this.#id });
  }

  /** Cuts or extends the file to `length` bytes. Default 0. */
  async truncate(length?: number): Promise<void> {
    await this.#rpc.call("fileTruncate", { fileHandleId: this.#id, len: length });
  }

  /** Sets the times of the last access and of the last change; numbers are seconds since 1970. */
  async utime(atime: Date | number, mtime: Date | number): Promise<void> {
    const times = { atime: timeText(atime), mtime: timeText(mtime) };
    await this.#rpc.call("fileUtime", { fileHandleId: this.#id, ...times });
  }

  /**
   * Waits until the file is locked (`flock`) against other open files.
   *
   * @param exclusive Default `false`: others may lock it the same way.
   */
  async lock(exclusive = false): Promise<void> {
    await this.#rpc.call("fileLock", { fileHandleId: this.#id, exclusive });
  }

  async unlock(): Promise<void> {
    await this.#rpc.call("fileUnlock", { fileHandleId: this.#id });
  }

  /** Closes the file; a second time there is nothing to do. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#rpc.call("fileClose", { fileHandleId: this.#id });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #readPiece(length: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const { data } = await this.#rpc.call("fileRead", { fileHandleId: this.#id, length });
    return data === null ? null : decodeBase64(data);
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength; at += pieceBytes) {
      const piece = bytes.subarray(at, at + pieceBytes);
      for (let sent = 0; sent < piece.byteLength;) sent += await this.write(piece.subarray(sent));
    }
  }
}

/** @internal A time as the wire has it. */
export function timeText(time: Date | number): string {
  return (time instanceof Date ? time : new Date(time * 1_000)).toISOString();
}
