import { GuestError, type FileStat, type OpenParams } from "@skerry/protocol";

import type { FakeFiles } from "./fake-files.ts";

interface Open {
  readonly path: string;
  readonly isAppending: boolean;
  position: number;
}

/** Open files of a fake machine. Locks are per file, and whoever waits for one waits for ever. */
export class FakeHandles {
  readonly #files: FakeFiles;
  readonly #open = new Map<number, Open>();
  readonly #locked = new Map<string, number>();
  #last = 0;

  constructor(files: FakeFiles) {
    this.#files = files;
  }

  /** How many files are open. */
  get count(): number {
    return this.#open.size;
  }

  open({ path, create, createNew, truncate, append }: OpenParams): { handle: number } {
    if (createNew === true || create === true) {
      const isThere = this.#files.has(path);
      if (!isThere || createNew === true) this.#files.write({ path, createNew }, Buffer.alloc(0));
    }
    if (truncate === true) this.#files.truncate(path, 0);
    this.#files.stat(path);
    const handle = ++this.#last;
    this.#open.set(handle, { path, isAppending: append === true, position: 0 });
    return { handle };
  }

  read(handle: number, length: number): Uint8Array {
    const open = this.#get(handle);
    const bytes = this.#files.read(open.path).subarray(open.position, open.position + length);
    open.position += bytes.length;
    return bytes;
  }

  write(handle: number, bytes: Buffer): number {
    const open = this.#get(handle);
    const before = this.#files.read(open.path);
    if (open.isAppending) open.position = before.length;
    const end = open.position + bytes.length;
    const content = Buffer.concat([before, Buffer.alloc(Math.max(0, end - before.length))]);
    bytes.copy(content, open.position);
    this.#files.write({ path: open.path }, content);
    open.position = end;
    return bytes.length;
  }

  seek(handle: number, offset: number, whence: 0 | 1 | 2): number {
    const open = this.#get(handle);
    const from = [0, open.position, this.#files.read(open.path).length][whence] ?? 0;
    open.position = from + offset;
    return open.position;
  }

  stat(handle: number): FileStat {
    return this.#files.stat(this.#get(handle).path);
  }

  truncate(handle: number, length: number): void {
    this.#files.truncate(this.#get(handle).path, length);
  }

  async lock(handle: number): Promise<Record<string, never>> {
    const { path } = this.#get(handle);
    if (this.#locked.has(path)) await new Promise(() => {});
    this.#locked.set(path, handle);
    return {};
  }

  unlock(handle: number): void {
    const { path } = this.#get(handle);
    if (this.#locked.get(path) === handle) this.#locked.delete(path);
  }

  close(handle: number): void {
    this.unlock(handle);
    this.#open.delete(handle);
  }

  #get(handle: number): Open {
    const open = this.#open.get(handle);
    if (open === undefined)
      throw new GuestError({ errno: "EBADF", message: "Bad file descriptor" });
    return open;
  }
}
