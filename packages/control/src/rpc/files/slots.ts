import { untilAborted } from "../lane.ts";

/** A number of places; who finds none waits for one, first come, first served. */
export class Slots {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /** Waits for a place; disposing of it gives it back. @throws whatever `signal` was aborted with. */
  async enter(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
    } else {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      try {
        await untilAborted(promise, signal);
      } catch (error) {
        const at = this.#waiting.indexOf(resolve);
        if (at < 0) this.#leave(); // the place came at the same time
        else this.#waiting.splice(at, 1);
        throw error;
      }
    }
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#leave();
        isHeld = false;
      },
    };
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
