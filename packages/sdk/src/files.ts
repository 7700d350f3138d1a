import type { DirEntry } from "@skerry/protocol";

import { decodeBase64, encodeBase64 } from "./base64.ts";
import { OperationError } from "./errors.ts";
import { infoOf, type FileInfo } from "./file-info.ts";
import { FsFile, timeText, type OpenOptions } from "./file.ts";
import type { ByteSource } from "./outgoing-stream.ts";
import { pathText, type SandboxPath } from "./path.ts";
import type { Rpc } from "./rpc.ts";
import {
  patternOf,
  searchWith,
  type ExpandGlobOptions,
  type WalkEntry,
  type WalkOptions,
} from "./search.ts";
import { download } from "./transfer/download.ts";
import type { TransferOptions, TransferResult } from "./transfer/transfer.ts";
import { upload } from "./transfer/upload.ts";

export type { DirEntry };

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

export interface MkdirOptions {
  /** Makes its parents too, and is content when it is there. Default `false`. */
  readonly recursive?: boolean | undefined;
  /** Its permission bits. Default 0o777, less the umask. */
  readonly mode?: number | undefined;
}

export interface RemoveOptions {
  /** A directory with all that is in it, too. Default `false`. */
  readonly recursive?: boolean | undefined;
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

  /** The bytes of a file. One that is too large for one message is read in pieces. */
  async readFile(
    path: SandboxPath,
    options: ReadFileOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const params = { path: pathText(path) };
    try {
      return decodeBase64(await this.#rpc.callAbortable("readFile", params, options.signal));
    } catch (error) {
      if (!isTooGreat(error)) throw error;
      const { content } = await this.openRead(path, options);
      return new Uint8Array(await new Response(content).arrayBuffer());
    }
  }

  /** The text of a UTF-8 file. */
  async readTextFile(path: SandboxPath, options: ReadFileOptions = {}): Promise<string> {
    const params = { path: pathText(path) };
    try {
      return await this.#rpc.callAbortable("readTextFile", params, options.signal);
    } catch (error) {
      if (!isTooGreat(error)) throw error;
      return new TextDecoder().decode(await this.readFile(path, options));
    }
  }

  /**
   * The content of a file of any size as a stream, and what the file is.
   *
   * @param options `offset` is the number of bytes to begin after. Default 0.
   */
  async openRead(
    path: SandboxPath,
    options: ReadFileOptions & { readonly offset?: number | undefined } = {},
  ): Promise<{
    readonly info: FileInfo;
    readonly content: ReadableStream<Uint8Array<ArrayBuffer>>;
  }> {
    const { signal, offset } = options;
    const params = { path: pathText(path), offset };
    signal?.throwIfAborted();
    const opening = this.#rpc.call("openRead", params).then(({ info, streamId }) => ({
      ...{ info, content: this.#rpc.streams.take(streamId) },
    }));
    const { info, content } = await untilAborted(opening, signal, ({ content: unwanted }) =>
      unwanted.cancel(signal?.reason),
    );
    return {
      info: infoOf(info),
      content:
        signal === undefined ? content : content.pipeThrough(new TransformStream(), { signal }),
    };
  }

  /** Opens a file. */
  async open(path: SandboxPath, options?: OpenOptions): Promise<FsFile> {
    const params = { path: pathText(path), options };
    return new FsFile(this.#rpc, (await this.#rpc.call("open", params)).fileHandleId);
  }

  /** Makes a file, or empties the one there is, and opens it for reading and writing. */
  async create(path: SandboxPath): Promise<FsFile> {
    const { fileHandleId } = await this.#rpc.call("create", { path: pathText(path) });
    return new FsFile(this.#rpc, fileHandleId);
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

  /** Makes a directory. */
  async mkdir(path: SandboxPath, options: MkdirOptions = {}): Promise<void> {
    await this.#rpc.call("mkdir", { path: pathText(path), options });
  }

  /** Removes a file or an empty directory; with `recursive`, a directory with all that is in it. */
  async remove(path: SandboxPath, options: RemoveOptions = {}): Promise<void> {
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

  /** Changes who owns a file; `null` leaves one of the two as it is. */
  async chown(path: SandboxPath, uid: number | null, gid: number | null): Promise<void> {
    await this.#rpc.call("chown", { path: pathText(path), uid, gid });
  }

  /** Gives the file `target` a second name. */
  async link(target: SandboxPath, path: SandboxPath): Promise<void> {
    await this.#rpc.call("link", { target: pathText(target), path: pathText(path) });
  }

  /**
   * Sets the permission bits that files and processes of the sandbox leave out from now on.
   *
   * @param mask Default: as it is. @returns what it was.
   */
  async umask(mask?: number): Promise<number> {
    return this.#rpc.call("umask", { mask });
  }

  /** Sets the times of the last access and of the last change; numbers are seconds since 1970. */
  async utime(path: SandboxPath, atime: Date | number, mtime: Date | number): Promise<void> {
    const times = { atime: timeText(atime), mtime: timeText(mtime) };
    await this.#rpc.call("utime", { path: pathText(path), ...times });
  }

  /** Everything below a path, a directory before what is in it. What vanishes meanwhile is left out. */
  walk(path: SandboxPath, options: WalkOptions = {}): AsyncGenerator<WalkEntry, void, undefined> {
    const { exts, match, skip, ...rest } = options;
    const params = {
      ...rest,
      path: pathText(path),
      exts: exts && [...exts],
      match: match?.map(patternOf),
      skip: skip?.map(patternOf),
    };
    return searchWith(this.#rpc, () => this.#rpc.call("walk", params));
  }

  /** What a glob matches: `src/**\/*.ts`. */
  expandGlob(
    glob: SandboxPath,
    options: ExpandGlobOptions = {},
  ): AsyncGenerator<WalkEntry, void, undefined> {
    const { exclude, ...rest } = options;
    const params = { ...rest, glob: pathText(glob), exclude: exclude && [...exclude] };
    return searchWith(this.#rpc, () => this.#rpc.call("expandGlob", params));
  }

  /**
   * Copies a file of this machine into the sandbox, or a directory with all that is in it. A file
   * becomes `sandboxPath`; a directory comes to lie in `sandboxPath` under its own name. Links stay links.
   */
  async upload(
    localPath: string | URL,
    sandboxPath: SandboxPath,
    options: TransferOptions = {},
  ): Promise<TransferResult> {
    return upload(this, localPath, pathText(sandboxPath), options);
  }

  /**
   * Copies a file of the sandbox to this machine, or a directory with all that is in it. A file becomes
   * `localPath`; a directory comes to lie in `localPath` under its own name. Nothing is written outside of
   * it, whatever names and links the sandbox has: what would be is left out, and told to `onSkip`.
   */
  async download(
    sandboxPath: SandboxPath,
    localPath: string | URL,
    options: TransferOptions = {},
  ): Promise<TransferResult> {
    return download(this, pathText(sandboxPath), localPath, options);
  }

  async #upload(
    params: { readonly path: string; readonly options: object },
    source: ByteSource,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    signal?.throwIfAborted();
    await this.#rpc.ready();
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

/**
 * Waits for `value`, but no longer than until `signal` aborts.
 *
 * @param discard Gets the value that comes too late.
 */
async function untilAborted<T>(
  value: Promise<T>,
  signal: AbortSignal | undefined,
  discard: (late: T) => Promise<void>,
): Promise<T> {
  if (signal === undefined) return await value;
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([value, aborted.promise]);
  } catch (error) {
    // Whatever becomes of it now, the caller has an answer already.
    value.then(discard).catch(() => {});
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function isTooGreat(error: unknown): boolean {
  return error instanceof OperationError && error.code === "EFBIG";
}

async function* once<T>(value: T): AsyncGenerator<T, void, undefined> {
  yield value;
}
