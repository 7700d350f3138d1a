/**
 * Lets a few do at a time what the host's processors are the limit of. Whoever somebody waits for
 * goes first; background work goes when nobody waits.
 */
export class Gate {
  readonly #width: number;
  #inside = 0;
  readonly #urgent: (() => void)[] = [];
  readonly #background: (() => void)[] = [];

  constructor(width: number) {
    this.#width = width;
  }

  /** Waits for a place. Disposing of it gives it back. */
  async enter(kind: "urgent" | "background", signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    // Background work never takes the last place, so that it delays nobody.
    const isFree = this.#inside < (kind === "urgent" ? this.#width : Math.max(1, this.#width - 1));
    if (isFree && this.#urgent.length === 0) this.#inside += 1;
    else await this.#wait(kind === "urgent" ? this.#urgent : this.#background, signal);
    return { [Symbol.dispose]: () => this.#leave() };
  }

  async #wait(queue: (() => void)[], signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = (): void => {
      const at = queue.indexOf(resolve);
      if (at < 0) return;
      queue.splice(at, 1);
      reject(signal.reason as Error);
    };
    queue.push(resolve);
    signal.addEventListener("abort", abort, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #leave(): void {
    const next = this.#urgent.shift() ?? this.#background.shift();
    if (next === undefined) this.#inside -= 1;
    else next(); // the place is handed over
  }
}
