import { limits, type Guest, type GuestListener } from "@skerry/protocol";

import { throwing, tooMuch, type CallFailure } from "./failures.ts";

/** The sockets on which one connection listens inside the machine; they close with it. */
export class Listeners {
  readonly #open = new Map<number, GuestListener>();
  /** Those that are being opened. */
  #opening = 0;
  #lastId = 0;
  #isClosed = false;

  /**
   * Opens a socket and keeps it.
   *
   * @throws {CallFailure} when there are too many.
   */
  async add(
    listen: () => ReturnType<Guest["listen"]>,
  ): Promise<{ readonly listenerId: number; readonly port: number | null }> {
    if (this.#open.size + this.#opening >= limits.listenersMax) {
      const message = `More than ${limits.listenersMax} listening sockets; close some first.`;
      throw tooMuch("TOO_MANY_LISTENERS", message);
    }
    this.#opening += 1;
    try {
      const listener = await listen();
      const listenerId = ++this.#lastId;
      this.#open.set(listenerId, listener);
      if (this.#isClosed) this.closeAll(); // the client left meanwhile
      return { listenerId, port: listener.port };
    } finally {
      this.#opening -= 1;
    }
  }

  /** @throws {CallFailure} `BadResource` when it is not open (any more). */
  get(id: number): GuestListener {
    const listener = this.#open.get(id);
    if (listener !== undefined) return listener;
    throw badResource();
  }

  /** The client has done with one. @throws {CallFailure} `BadResource` when it is not open. */
  close(id: number): void {
    this.get(id).close();
    this.#open.delete(id);
  }

  /** The client is gone. */
  closeAll(): void {
    this.#isClosed = true;
    for (const listener of this.#open.values()) listener.close();
    this.#open.clear();
  }
}

function badResource(): CallFailure {
  return throwing("BadResource", "Bad resource ID: the listener is not open", "EBADF");
}
