import { freemem } from "node:os";

import type { Logger } from "pino";

import type { Attached } from "./attached.ts";

export interface PoolOptions {
  /** Machines to keep ready. 0 switches the pool off. */
  readonly size: number;
  /** Makes one machine ready and stops its processors. */
  readonly prepare: (signal: AbortSignal) => Promise<Attached>;
  readonly log: Logger;
}

/** Below this much free memory the pool gives up its machines and makes no new ones. */
const memoryReserveBytes = 2_048 * 1_048_576;
const checkMs = 5_000;
/** How long after a claim the pool begins to refill. */
const refillAfterMs = 400;
/** After a failure the pool rests, so that a broken host is not kept busy with failing. */
const restMs = 5_000;

/**
 * Machines that are restored, warm and stopped, waiting to be claimed. It refills in the
 * background, one at a time.
 */
export class Pool implements AsyncDisposable {
  readonly #options: PoolOptions;
  readonly #ready: Attached[] = [];
  readonly #end = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #filling: Promise<void> | undefined;
  #later: NodeJS.Timeout | undefined;
  #restUntil = 0;
  #waiters: (() => void)[] = [];

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#check(), checkMs).unref();
  }

  get ready(): number {
    return this.#ready.length;
  }

  /** Claims a machine, which is stopped; undefined when none is ready. */
  take(): Attached | undefined {
    const machine = this.#ready.shift();
    // Whoever took it runs something now; the processors are theirs for a moment.
    this.#later ??= setTimeout(() => {
      this.#later = undefined;
      this.refill();
    }, refillAfterMs).unref();
    return machine;
  }

  /** Starts to refill, unless it does already. */
  refill(): void {
    this.#filling ??= this.#fill().finally(() => {
      this.#filling = undefined;
    });
  }

  /** Resolves when the pool holds as many machines as it keeps ready. */
  async full(signal: AbortSignal): Promise<void> {
    this.refill();
    while (this.#ready.length < this.#options.size) {
      signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const abort = (): void => reject(signal.reason as Error);
      signal.addEventListener("abort", abort, { once: true });
      this.#waiters.push(resolve);
      await promise.finally(() => signal.removeEventListener("abort", abort));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    clearTimeout(this.#later);
    this.#end.abort(new Error("the pool is closed"));
    await this.#filling;
    await Promise.all(this.#ready.splice(0).map(({ machine }) => machine[Symbol.asyncDispose]()));
  }

  async #fill(): Promise<void> {
    while (
      !this.#end.signal.aborted &&
      this.#ready.length < this.#options.size &&
      performance.now() >= this.#restUntil &&
      freemem() > memoryReserveBytes
    ) {
      try {
        this.#add(await this.#options.prepare(this.#end.signal));
      } catch (error) {
        if (this.#end.signal.aborted) return;
        this.#restUntil = performance.now() + restMs;
        this.#options.log.warn({ err: error }, "a machine for the pool could not be made ready");
      }
    }
  }

  #add(attached: Attached): void {
    if (this.#end.signal.aborted) {
      void attached.machine[Symbol.asyncDispose]();
      return;
    }
    this.#ready.push(attached);
    void attached.machine.gone.then(() => this.#forget(attached));
    for (const wake of this.#waiters.splice(0)) wake();
  }

  #forget(attached: Attached): void {
    const at = this.#ready.indexOf(attached);
    if (at < 0) return;
    this.#ready.splice(at, 1);
    this.refill();
  }

  #check(): void {
    if (freemem() < memoryReserveBytes) {
      void this.#ready.pop()?.machine[Symbol.asyncDispose]();
    } else {
      this.refill();
    }
  }
}
