import type { Clock } from "../clock.ts";

/** How to tell whether a client lives. */
export interface HeartbeatOptions {
  readonly clock: Clock;
  readonly silenceMaxMs: number;
  readonly pingEveryMs: number;
  /** Bytes received so far: a great message may take long to arrive, with nothing else between. */
  readonly received: () => number;
  /** Asks the client for a sign of life. */
  readonly ping: () => void;
  readonly onSilent: () => void;
}

/**
 * Notices a client that is gone without a word: a half-open connection, a machine that was
 * unplugged. Whatever the client sends is a sign of life; a quiet client is asked for one.
 */
export class Heartbeat implements Disposable {
  readonly #options: HeartbeatOptions;
  #heardMs: number;
  #heardBytes: number;
  #dueMs = 0;
  #timer: Disposable | null = null;
  #isPaused = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#heardMs = options.clock.now();
    this.#heardBytes = options.received();
    this.#arm(options.pingEveryMs);
  }

  /** The client has shown that it lives. */
  heard(): void {
    this.#heardMs = this.#options.clock.now();
    this.#heardBytes = this.#options.received();
  }

  /** We do not listen now, so silence means nothing. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.heard();
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
  }

  #arm(delayMs: number): void {
    const { clock } = this.#options;
    this.#dueMs = clock.now() + delayMs;
    this.#timer = clock.setTimer(delayMs, () => this.#check());
  }

  #check(): void {
    const { clock, silenceMaxMs, pingEveryMs, received, ping, onSilent } = this.#options;
    const now = clock.now();
    this.#heardMs += Math.max(0, now - this.#dueMs); // while this process stood still, it heard nothing
    if (received() > this.#heardBytes) this.heard(); // part of a message
    const silentMs = now - this.#heardMs;
    if (this.#isPaused || silentMs < pingEveryMs) return this.#arm(pingEveryMs);
    if (silentMs >= silenceMaxMs) return onSilent();
    ping();
    return this.#arm(Math.min(pingEveryMs, silenceMaxMs - silentMs));
  }
}
