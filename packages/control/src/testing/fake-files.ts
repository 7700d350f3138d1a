import {
  GuestError,
  type DirectoryEntry,
  type FileStat,
  type WriteFileParams,
} from "@skerry/protocol";

interface Entry {
  readonly kind: "file" | "directory" | "symlink";
  bytes: Buffer;
  mode: number;
}

const errorTexts: Readonly<Record<string, string>> = {
  ENOENT: "No such file or directory (os error 2)",
  EEXIST: "File exists (os error 17)",
  EISDIR: "Is a directory (os error 21)",
  ENOTEMPTY: "Directory not empty (os error 39)",
};

/** The files of a fake machine: absolute and relative paths are just different names. */
export class FakeFiles {
  readonly #entries = new Map<string, Entry>();
  #temporary = 0;

  stat(path: string): FileStat {
    const { kind, bytes, mode } = this.#get(path, "stat");
    return {
      ...{ kind, mode, size: bytes.length, birthtimeMs: null },
      ...{ mtimeMs: 1_000.5, atimeMs: 2_000, ctimeMs: 3_000 },
      ...{ dev: 1, ino: 2, nlink: 1, uid: 1000, gid: 1000, rdev: 0, blksize: 4096, blocks: 8 },
    };
  }

  has(path: string): boolean {
    return this.#entries.has(path);
  }

  read(path: string): Buffer {
    const entry = this.#get(path, "open");
    if (entry.kind === "directory") throw failure("EISDIR", "open", path);
    return entry.bytes;
  }

  write({ path, append, createNew, mode }: WriteFileParams, bytes: Buffer): void {
    const before = this.#entries.get(path);
    if (before !== undefined && createNew === true) throw failure("EEXIST", "open", path);
    const content =
      append === true ? Buffer.concat([before?.bytes ?? Buffer.alloc(0), bytes]) : bytes;
    this.#entries.set(path, { kind: "file", bytes: content, mode: mode ?? 0o644 });
  }

  list(path: string): DirectoryEntry[] {
    if (this.#get(path, "readdir").kind !== "directory") throw failure("ENOENT", "readdir", path);
    return [...this.#entries]
      .filter(([name]) => name.startsWith(`${path}/`) && !name.slice(path.length + 1).includes("/"))
      .map(([name, { kind }]) => ({ name: name.slice(path.length + 1), kind }));
  }

  makeDirectory(path: string, recursive: boolean): void {
    if (this.#entries.has(path) && !recursive) throw failure("EEXIST", "mkdir", path);
    this.#entries.set(path, { kind: "directory", bytes: Buffer.alloc(0), mode: 0o755 });
  }

  makeTemporary(prefix: string, suffix: string, isDirectory: boolean): string {
    const path = `/tmp/${prefix}${++this.#temporary}${suffix}`;
    if (isDirectory) this.makeDirectory(path, false);
    else this.write({ path }, Buffer.alloc(0));
    return path;
  }

  symlink(target: string, path: string): void {
    this.#entries.set(path, { kind: "symlink", bytes: Buffer.from(target), mode: 0o777 });
  }

  remove(path: string, recursive: boolean): void {
    const { kind } = this.#get(path, "remove");
    const children = [...this.#entries.keys()].filter((name) => name.startsWith(`${path}/`));
    if (kind === "directory" && children.length > 0 && !recursive) {
      throw failure("ENOTEMPTY", "remove", path);
    }
    for (const name of [path, ...children]) this.#entries.delete(name);
  }

  rename(from: string, to: string): void {
    this.#entries.set(to, this.#get(from, "rename"));
    this.#entries.delete(from);
  }

  copy(from: string, to: string): void {
    this.#entries.set(to, { ...this.#get(from, "copy") });
  }

  chmod(path: string, mode: number): void {
    this.#get(path, "chmod").mode = mode;
  }

  truncate(path: string, length: number): void {
    const entry = this.#get(path, "truncate");
    entry.bytes = Buffer.concat([entry.bytes, Buffer.alloc(length)]).subarray(0, length);
  }

  #get(path: string, operation: string): Entry {
    const entry = this.#entries.get(path);
    if (entry === undefined) throw failure("ENOENT", operation, path);
    return entry;
  }
}

function failure(errno: string, operation: string, path: string): GuestError {
  return new GuestError({ errno, message: `${errorTexts[errno]}: ${operation} '${path}'` });
}
