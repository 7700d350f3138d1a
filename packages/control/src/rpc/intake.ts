import type { WebSocket } from "ws";

import type { Clock } from "../clock.ts";

/** What of a socket this file needs. */
export type PausableSocket = Pick<WebSocket, "pause" | "resume">;

/** Something that takes in what a client sends, and may fall behind. */
export interface IntakeSource {
  readonly name: string;
}

/**
 * Pauses the socket while something that the client feeds is behind, so that the client feels the
 * pace of the guest. A source that makes no progress for `stuckMs` loses its hold: the messages
 * behind it, such as the one that kills its process, must get through.
 */
export class Intake implements Disposable {
  readonly #socket: PausableSocket;
  readonly #clock: Clock;
  readonly #stuckMs: number;
  readonly #onChange: (isPaused: boolean) => void;
  readonly #holds = new Map<IntakeSource, Disposable>();
  readonly #stuck = new Set<IntakeSource>();

  constructor(
    socket: PausableSocket,
    clock: Clock,
    stuckMs: number,
    onChange: (isPaused: boolean) => void,
  ) {
    this.#socket = socket;
    this.#clock = clock;
    this.#stuckMs = stuckMs;
    this.#onChange = onChange;
  }

  /** The source is behind. */
  hold(source: IntakeSource): void {
    if (this.#holds.has(source) || this.#stuck.has(source)) return;
    this.#holds.set(source, this.#timer(source));
    if (this.#holds.size === 1) this.#pause();
  }

  /** The source has taken something: it is not stuck, though it may still be behind. */
  progressed(source: IntakeSource): void {
    this.#stuck.delete(source);
    const timer = this.#holds.get(source);
    if (timer === undefined) return;
    timer[Symbol.dispose]();
    this.#holds.set(source, this.#timer(source));
  }

  /** The source has caught up, or is finished. */
  release(source: IntakeSource): void {
    this.#stuck.delete(source);
    this.#letGo(source);
  }

  isStuck(source: IntakeSource): boolean {
    return this.#stuck.has(source);
  }

  [Symbol.dispose](): void {
    for (const timer of this.#holds.values()) timer[Symbol.dispose]();
    if (this.#holds.size > 0) this.#socket.resume(); // a paused socket would never read its end
    this.#holds.clear();
    this.#stuck.clear();
  }

  #timer(source: IntakeSource): Disposable {
    return this.#clock.setTimer(this.#stuckMs, () => {
      this.#stuck.add(source);
      this.#letGo(source);
    });
  }

  #letGo(source: IntakeSource): void {
    const timer = this.#holds.get(source);
    if (timer === undefined) return;
    timer[Symbol.dispose]();
    this.#holds.delete(source);
    if (this.#holds.size > 0) return;
    this.#socket.resume();
    this.#onChange(false);
  }

  #pause(): void {
    this.#socket.pause();
    this.#onChange(true);
  }
}
