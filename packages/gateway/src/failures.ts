import { limits } from "@skerry/protocol";

interface Record {
  readonly count: number;
  readonly atMs: number;
}

/**
 * How often logging in has failed lately, by address. Whoever fails too often waits longer and longer for
 * the next no; a yes is never late, so that who is honest and shares the address gets in.
 */
export class Failures {
  /** The one that failed longest ago first. */
  readonly #records = new Map<string, Record>();
  readonly #now: () => number;

  /** @param now A clock that only goes forward, in ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** How many addresses are remembered. */
  get size(): number {
    return this.#records.size;
  }

  /** Notes a failure. @returns how long its answer is to be held back, in ms. */
  note(address: string): number {
    const atMs = this.#now();
    const before = this.#records.get(address);
    const isRecent = before !== undefined && atMs - before.atMs < limits.sshFailuresKeptMs;
    const count = isRecent ? before.count + 1 : 1;
    this.#records.delete(address); // to the end of the line
    this.#records.set(address, { count, atMs });
    for (const oldest of this.#records.keys()) {
      if (this.#records.size <= limits.sshFailuresMax) break;
      this.#records.delete(oldest);
    }
    const over = count - limits.sshFailuresFree;
    if (over <= 0) return 0;
    return Math.min(
      limits.sshFailureDelayMs * 2 ** Math.min(over - 1, 20),
      limits.sshFailureDelayMaxMs,
    );
  }
}
