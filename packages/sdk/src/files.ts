import type { DirEntry, FileInfo as WireFileInfo } from "@skerry/protocol";

import { decodeBase64, encodeBase64 } from "./base64.ts";
import type { ByteSource } from "./outgoing-stream.ts";
import { pathText, type SandboxPath } from "./path.ts";
import type { Rpc } from "./rpc.ts";

export type { DirEntry };

/** What `stat` tells of a file. Sizes in bytes; `blocks` in units of 512 bytes. */
export interface FileInfo extends Omit<WireFileInfo, "mtime" | "atime" | "birthtime" | "ctime"> {
  readonly mtime: Date;
  readonly atime: Date;
  readonly birthtime: Date;
  readonly ctime: Date;
}

export interface ReadFileOptions {
  /** Ends the wait and the reading. */
  readonly signal?: AbortSignal | undefined;
}

export interface WriteFileOptions {
  /** Adds to the file instead of replacing what is in it. Default `false`. */
  readonly append?: boolean | undefined;
  /** Makes the file when there is none. Default `true`. */
  readonly create?: boolean | undefined;
  /** Fails when there is a file. Default `false`. */
  readonly createNew?: boolean | undefined;
  /** Permission bits of the file. */
  readonly mode?: number | undefined;
  /** Ends the wait and the writing; what is written stays. */
  readonly signal?: AbortSignal | undefined;
}

export interface TempOptions {
  /** Where to make it. Default: the directory for temporary files. */
  readonly dir?: string | undefined;
  readonly prefix?: string | undefined;
  readonly suffix?: string | undefined;
}

/** Content above this many bytes is sent as a stream, so that it is never in memory twice. */
const wholeBytesMax = 262_144;

/**
 * The files of a sandbox, as the user of the sandbox sees them. Every method throws an
 * `OperationError` whose `code` is the error number of the system call (`"ENOENT"`) and whose
 * `name` is Deno's class for it (`"NotFound"`).
 */
export class SandboxFiles {
  readonly #rpc: Rpc;

  /** @internal */
  constructor(rpc: Rpc) {
    this.#rpc = rpc;
  }

  /** The bytes of a file, which has to fit in one message: the server refuses larger ones. */
  async readFile(
    path: SandboxPath,
    options: ReadFileOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const params = { path: pathText(path) };
    return decodeBase64(await this.#rpc.callAbortable("readFile", params, options.signal));
  }

  /** The text of a UTF-8 file, within the same limit as {@link readFile}. */
  async readTextFile(path: SandboxPath, options: ReadFileOptions = {}): Promise<string> {
    return this.#rpc.callAbortable("readTextFile", { path: pathText(path) }, options.signal);
  }

  /** Writes a file of any size; a stream is taken at the pace at which the sandbox writes. */
  async writeFile(
    path: SandboxPath,
    data: Uint8Array | ByteSource,
    options: WriteFileOptions = {},
  ): Promise<void> {
    const { signal, ...rest } = options;
    const params = { path: pathText(path), options: rest };
    if (!(data instanceof Uint8Array)) return this.#upload(params, data, signal);
    if (data.byteLength > wholeBytesMax) return this.#upload(params, once(data), signal);
    await this.#rpc.callAbortable("writeFile", { ...params, content: encodeBase64(data) }, signal);
  }

  /** Writes a text file in UTF-8; see {@link writeFile}. */
  async writeTextFile(
    path: SandboxPath,
    data: string | ReadableStream<string>,
    options: WriteFileOptions = {},
  ): Promise<void> {
    const { signal, ...rest } = options;
    const params = { path: pathText(path), options: rest };
    if (typeof data !== "string") {
      return this.#upload(params, data.pipeThrough(new TextEncoderStream()), signal);
    }
    if (data.length > wholeBytesMax) {
      return this.#upload(params, once(new TextEncoder().encode(data)), signal);
    }
    await this.#rpc.callAbortable("writeTextFile", { ...params, content: data }, signal);
  }

  /** The entries of a directory, in no particular order. */
  async *readDir(path: SandboxPath): AsyncGenerator<DirEntry, void, undefined> {
    yield* await this.#rpc.call("readDir", { path: pathText(path) });
  }

  /**
   * Makes a directory.
   *
   * @param options `recursive` makes its parents too and is content when it is there; `mode` is its permission bits.
   */
  async mkdir(
    path: SandboxPath,
    options: { readonly recursive?: boolean; readonly mode?: number } = {},
  ): Promise<void> {
    await this.#rpc.call("mkdir", { path: pathText(path), options });
  }

  /** Removes a file or an empty directory; with `recursive`, a directory with all that is in it. */
  async remove(path: SandboxPath, options: { readonly recursive?: boolean } = {}): Promise<void> {
    await this.#rpc.call("remove", { path: pathText(path), options });
  }

  /** Moves a file or directory, replacing a file at `newPath`. */
  async rename(oldPath: SandboxPath, newPath: SandboxPath): Promise<void> {
    await this.#rpc.call("rename", { oldPath: pathText(oldPath), newPath: pathText(newPath) });
  }

  /** What a path refers to, through links. */
  async stat(path: SandboxPath): Promise<FileInfo> {
    return infoOf(await this.#rpc.call("stat", { path: pathText(path) }));
  }

  /** What a path is, be it a link. */
  async lstat(path: SandboxPath): Promise<FileInfo> {
    return infoOf(await this.#rpc.call("lstat", { path: pathText(path) }));
  }

  /** Sets the permission bits. */
  async chmod(path: SandboxPath, mode: number): Promise<void> {
    await this.#rpc.call("chmod", { path: pathText(path), mode });
  }

  /** Copies a file with its permission bits, replacing a file at `toPath`. */
  async copyFile(fromPath: SandboxPath, toPath: SandboxPath): Promise<void> {
    await this.#rpc.call("copyFile", { fromPath: pathText(fromPath), toPath: pathText(toPath) });
  }

  /** The absolute path without links. */
  async realPath(path: SandboxPath): Promise<string> {
    return this.#rpc.call("realPath", { path: pathText(path) });
  }

  /** Makes a directory with a name of its own and tells its path. */
  async makeTempDir(options: TempOptions = {}): Promise<string> {
    return this.#rpc.call("makeTempDir", { options });
  }

  /** Makes an empty file with a name of its own and tells its path. */
  async makeTempFile(options: TempOptions = {}): Promise<string> {
    return this.#rpc.call("makeTempFile", { options });
  }

  /** Makes `path` a symbolic link to `target`. */
  async symlink(
    target: SandboxPath,
    path: SandboxPath,
    options: { readonly type?: "file" | "dir" | "junction" } = {},
  ): Promise<void> {
    await this.#rpc.call("symlink", { target: pathText(target), path: pathText(path), options });
  }

  /** Where a symbolic link points to. */
  async readLink(path: SandboxPath): Promise<string> {
    return this.#rpc.call("readLink", { path: pathText(path) });
  }

  /** Cuts or extends a file to `length` bytes. Default 0. */
  async truncate(path: SandboxPath, length?: number): Promise<void> {
    await this.#rpc.call("truncate", { name: pathText(path), length });
  }

  async #upload(
    params: { readonly path: string; readonly options: object },
    source: ByteSource,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    signal?.throwIfAborted();
    const upload = this.#rpc.streams.upload(source);
    let reason: unknown;
    try {
      const call = { ...params, contentStreamId: upload.id };
      await this.#rpc.callAbortable("writeFile", call, signal);
    } catch (error) {
      reason = upload.failure === undefined ? error : upload.failure.error;
      throw reason;
    } finally {
      upload.stop(reason);
    }
  }
}

async function* once<T>(value: T): AsyncGenerator<T, void, undefined> {
  yield value;
}

function infoOf(info: WireFileInfo): FileInfo {
  return {
    ...info,
    mtime: new Date(info.mtime),
    atime: new Date(info.atime),
    birthtime: new Date(info.birthtime),
    ctime: new Date(info.ctime),
  };
}
