import { lstat, opendir, realpath, stat } from "node:fs/promises";
import { posix } from "node:path";

import {
  GuestError,
  type DirectoryEntry,
  type FileStat,
  type GuestCall,
  type GuestParams,
  type GuestResult,
} from "@skerry/protocol";

import { FakeGuest } from "./fake-guest.ts";

/** A guest whose files are those below a directory of this host, to be looked at only. */
export class DirectoryGuest extends FakeGuest {
  readonly #home: string;
  /** Directories that were listed, in order. */
  readonly listed: string[] = [];

  constructor(home: string) {
    super({});
    this.#home = home;
  }

  override async call<M extends GuestCall>(
    method: M,
    params: GuestParams[M],
    signal?: AbortSignal,
  ): Promise<GuestResult<M>> {
    signal?.throwIfAborted();
    const { path } = params as { readonly path: string };
    const look: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
      "fs.stat": async (at) => toStat(await stat(at)),
      "fs.lstat": async (at) => toStat(await lstat(at)),
      "fs.realPath": (at) => realpath(at),
    };
    const act = look[method];
    if (act === undefined) return await super.call(method, params, signal);
    return (await refusing(act(posix.resolve(this.#home, path)))) as GuestResult<M>;
  }

  override async readDirectory(path: string): Promise<AsyncIterable<DirectoryEntry[]>> {
    this.listed.push(path);
    const directory = await refusing(opendir(posix.resolve(this.#home, path)));
    return (async function* () {
      for await (const entry of directory) yield [{ name: entry.name, kind: kindOf(entry) }];
    })();
  }
}

async function refusing<T>(looking: Promise<T>): Promise<T> {
  try {
    return await looking;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException; // all that these calls throw
    throw new GuestError({ errno: code ?? null, message });
  }
}

interface Kinded {
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

function kindOf(entry: Kinded): FileStat["kind"] {
  if (entry.isDirectory()) return "directory";
  return entry.isSymbolicLink() ? "symlink" : "file";
}

function toStat(found: Awaited<ReturnType<typeof stat>>): FileStat {
  const { mode, dev, ino, nlink, uid, gid, rdev, blksize, blocks, size } = found;
  return {
    ...{ mode, dev, ino, nlink, uid, gid, rdev, blksize, blocks, size },
    ...{ mtimeMs: 0, atimeMs: 0, ctimeMs: 0, birthtimeMs: null },
    kind: kindOf(found),
  } as FileStat; // its numbers are no bigints
}
