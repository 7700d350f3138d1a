import { posix } from "node:path";

import {
  GuestError,
  limits,
  type DirectoryEntry,
  type FileKind,
  type Guest,
  type WalkEntry,
} from "@skerry/protocol";

import { throwing } from "../failures.ts";
import { typeFlags } from "./info.ts";

/** Something that a search has come by. */
export interface Found {
  /** As it is told to the client. */
  readonly path: string;
  readonly kind: FileKind;
}

/** A directory that a search may enter. */
export interface Directory<T> {
  readonly path: string;
  /** Where it really is; known only when symbolic links are followed. */
  readonly realPath: string | undefined;
  readonly parent: Directory<T> | undefined;
  /** Directories between it and the one where the search began. */
  readonly depth: number;
  /** What the search knows of it. */
  readonly note: T;
}

/** How a search follows symbolic links. */
export interface LinkOptions {
  readonly followSymlinks: boolean;
  /** Whether what a link leads to is told under its own path. */
  readonly canonicalize: boolean;
}

/** A child of a directory, with what a link leads to in its place when links are followed. */
export interface Child<T> extends Found {
  readonly name: string;
  /** Null when it is none, and when entering it would lead back to where the search has been. */
  readonly asDirectory: ((note: T) => Directory<T>) | null;
}

/** Looks at everything below a directory, one directory after the other. */
export class Tree<T> {
  readonly #guest: Guest;
  readonly #links: LinkOptions;
  readonly #signal: AbortSignal;
  readonly #pending: Directory<T>[] = [];

  constructor(guest: Guest, links: LinkOptions, signal: AbortSignal) {
    this.#guest = guest;
    this.#links = links;
    this.#signal = signal;
  }

  /** Where the search begins. @throws {GuestError} when there is nothing there. */
  async root(path: string, note: T): Promise<{ readonly found: Found; directory: Directory<T> }> {
    const { kind } = await this.#guest.call("fs.stat", { path }, this.#signal);
    const realPath = this.#links.followSymlinks ? await this.#realPath(path) : undefined;
    const directory = { path, realPath, parent: undefined, depth: 0, note };
    return { found: { path, kind }, directory };
  }

  /** Remembers to enter a directory. @throws {CallFailure} when there are too many to remember. */
  enterLater(directory: Directory<T>): void {
    if (this.#pending.length >= limits.walkPendingMax) {
      const most = limits.walkPendingMax;
      throw throwing("RangeError", `More than ${most} directories wait to be searched.`, "EFBIG");
    }
    this.#pending.push(directory);
  }

  /**
   * The directories that are to be entered, the latest first, each with its children in batches. The
   * listing of one is over before the next begins, so that no more than one is open in the guest.
   */
  async *directories(): AsyncGenerator<
    readonly [Directory<T>, AsyncIterable<readonly Child<T>[]>]
  > {
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) {
      const isFirst = next.parent === undefined;
      yield [next, this.#children(next, isFirst)];
    }
  }

  async *#children(directory: Directory<T>, isFirst: boolean): AsyncGenerator<Child<T>[]> {
    const { path } = directory;
    try {
      for await (const batch of await this.#guest.readDirectory(path, this.#signal)) {
        const children: Child<T>[] = [];
        for (const entry of batch) {
          const child = await this.#child(directory, entry);
          if (child !== undefined) children.push(child);
        }
        yield children;
      }
    } catch (error) {
      if (isFirst || !isGone(error)) throw error; // what vanishes during a search was not there
    }
  }

  async #child(parent: Directory<T>, entry: DirectoryEntry): Promise<Child<T> | undefined> {
    const { name } = entry;
    if (name === "." || name === ".." || name.includes("/")) return undefined; // no guest of ours says so
    const path = posix.join(parent.path, name);
    if (entry.kind !== "symlink" || !this.#links.followSymlinks) {
      const realPath =
        parent.realPath === undefined ? undefined : posix.join(parent.realPath, name);
      return { name, ...this.#reached(parent, { path, kind: entry.kind }, realPath) };
    }
    try {
      const realPath = await this.#realPath(path);
      const { kind } = await this.#guest.call("fs.lstat", { path: realPath }, this.#signal);
      const told = this.#links.canonicalize ? realPath : path;
      return { name, ...this.#reached(parent, { path: told, kind }, realPath) };
    } catch (error) {
      if (isGone(error)) return undefined; // a link that leads nowhere
      throw error;
    }
  }

  #reached(
    parent: Directory<T>,
    found: Found,
    realPath: string | undefined,
  ): Omit<Child<T>, "name"> {
    const isNew = realPath === undefined || !isAbove(parent, realPath);
    const { path } = found;
    const enter = (note: T): Directory<T> => ({
      ...{ path, realPath, parent, note },
      depth: parent.depth + 1,
    });
    return { ...found, asDirectory: found.kind === "directory" && isNew ? enter : null };
  }

  async #realPath(path: string): Promise<string> {
    return await this.#guest.call("fs.realPath", { path }, this.#signal);
  }
}

/** What a client is told of something that was found. */
export function walkEntry({ path, kind }: Found): WalkEntry {
  return { path, name: posix.basename(path), ...typeFlags(kind) };
}

function isAbove<T>(directory: Directory<T>, realPath: string): boolean {
  for (let at: Directory<T> | undefined = directory; at !== undefined; at = at.parent) {
    if (at.realPath === realPath) return true;
  }
  return false;
}

function isGone(error: unknown): boolean {
  return (
    error instanceof GuestError &&
    (error.errno === "ENOENT" || error.errno === "ENOTDIR" || error.errno === "ELOOP")
  );
}
