import { limits, type SandboxId } from "@skerry/protocol";
import type { Logger } from "pino";

import type { EventKind, Store } from "../store/store.ts";

const waitingMax = 10_000;

/**
 * Writes what happens to one sandbox into the store, in order and behind the back of whoever waits
 * for the sandbox. When the store fails, the sandbox goes on and the log says so.
 */
export class Journal {
  readonly #id: SandboxId;
  readonly #store: Store;
  readonly #log: Logger;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(id: SandboxId, store: Store, log: Logger) {
    this.#id = id;
    this.#store = store;
    this.#log = log;
  }

  /** Adds an event. Events are dropped while the store is {@link waitingMax} writes behind. */
  record(atMs: number, kind: EventKind, detail: Readonly<Record<string, unknown>>): void {
    if (this.#waiting >= waitingMax) return;
    const event = { sandboxId: this.#id, atMs, kind, detail: bounded(detail) };
    this.save((store) => store.events.append(event));
  }

  /** Runs a write after all earlier ones. */
  save(write: (store: Store) => Promise<void>): void {
    this.#waiting++;
    this.#last = this.#last
      .then(() => write(this.#store))
      .catch((error: unknown) => {
        this.#log.error({ err: error }, "store did not take a change of a sandbox");
      })
      .finally(() => this.#waiting--);
  }

  /** When all writes so far are done. */
  async settled(): Promise<void> {
    await this.#last;
  }
}

/** Events come from what users send: a long text or a long list in one is cut. */
function bounded(detail: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const share = Math.floor(limits.eventDetailBytesMax / 8);
  const cut = (value: unknown): unknown => {
    if (typeof value === "string") {
      return value.length > share ? `${value.slice(0, share)}…` : value;
    }
    if (!Array.isArray(value)) return value;
    const kept: unknown[] = [];
    let room = share * 2;
    for (const item of value) {
      const text = String(item);
      if (room <= 0) return [...kept, `… ${value.length - kept.length} more`];
      kept.push(text.length > room ? `${text.slice(0, room)}…` : text);
      room -= text.length + 8;
    }
    return kept;
  };
  return Object.fromEntries(Object.entries(detail).map(([key, value]) => [key, cut(value)]));
}
