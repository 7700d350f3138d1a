import { limits, type Guest } from "@skerry/protocol";

import { throwing, tooMuch, type CallFailure } from "../failures.ts";
import { Lane } from "../lane.ts";

/** An open file of a client. */
export interface FileHandle {
  /** What the guest calls it. */
  readonly guestHandle: number;
  /**
   * Whoever moves the file's position waits for those before: a client may send the next write
   * before it has the answer to the last.
   */
  readonly lane: Lane;
}

/** The files that one connection has open; they close with it. */
export class FileHandles {
  readonly #guest: Guest;
  readonly #open = new Map<number, FileHandle>();
  #lastId = 0;
  #isClosed = false;

  constructor(guest: Guest) {
    this.#guest = guest;
  }

  /**
   * Opens a file and keeps it.
   *
   * @returns the id by which the client means it. @throws {CallFailure} when there are too many.
   */
  async add(opening: () => Promise<{ readonly handle: number }>): Promise<number> {
    if (this.#open.size >= limits.fileHandlesMax) {
      throw tooMuch(
        "TOO_MANY_FILES",
        `More than ${limits.fileHandlesMax} open files; close some first.`,
      );
    }
    const { handle } = await opening();
    const id = ++this.#lastId;
    this.#open.set(id, { guestHandle: handle, lane: new Lane() });
    if (this.#isClosed) this.closeAll(); // the client left while the file was opened
    return id;
  }

  /** @throws {CallFailure} `BadResource` when it is not open (any more). */
  get(id: number): FileHandle {
    const handle = this.#open.get(id);
    if (handle === undefined) throw badResource();
    return handle;
  }

  /** The client has done with a file. @throws {CallFailure} `BadResource` when it is not open. */
  async close(id: number): Promise<void> {
    const { guestHandle } = this.get(id);
    this.#open.delete(id);
    await this.#guest.call("file.close", { handle: guestHandle });
  }

  /** The client is gone. */
  closeAll(): void {
    this.#isClosed = true;
    for (const { guestHandle } of this.#open.values()) {
      // A guest that cannot be told any more has no open files either.
      this.#guest.call("file.close", { handle: guestHandle }).catch(() => {});
    }
    this.#open.clear();
  }
}

function badResource(): CallFailure {
  return throwing("BadResource", "Bad resource ID: the file is not open", "EBADF");
}
