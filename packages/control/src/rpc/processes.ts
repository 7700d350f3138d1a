import { limits, type Exit, type Guest, type GuestProcess } from "@skerry/protocol";

import type { Clock } from "../clock.ts";
import type { EventKind } from "../store/store.ts";
import { keptProcessesOf, type KeptProcess, type Wanted } from "./kept/kept-processes.ts";
import { untilAborted } from "./lane.ts";

/** What the processes of a connection need of their sandbox. */
export interface ProcessesOptions {
  readonly guest: Guest;
  readonly clock: Clock;
  /** Adds to the sandbox's event log. */
  readonly record: (kind: EventKind, detail: Readonly<Record<string, unknown>>) => void;
}

interface Started {
  readonly child: GuestProcess;
  /** Settles when the client knows the process, or must be thought to. */
  readonly known: PromiseWithResolvers<void>;
  /** Rejects when nobody is attached to the process any more. */
  readonly left: PromiseWithResolvers<never>;
  /** Until the client knows the process. */
  hold: Disposable | null;
  isKnown: boolean;
  isEnded: boolean;
}

/** What there is to know of a process that was just added. */
export interface Added {
  /**
   * When its output may be sent: a client that gets output before it has a place for it may throw it away, as the
   * official Python one does until it has sent all of its input. It says that it knows the process by waiting for
   * it, as all known clients do at once; one that says nothing for a while is thought to.
   */
  readonly known: Promise<void>;
  readonly kept: KeptProcess | null;
}

/** The processes that one connection has started. They outlive the connection. */
export class Processes {
  readonly #options: ProcessesOptions;
  /** Those that still run, and those that ended before the client could know them. */
  readonly #started = new Map<number, Started>();
  #isDetached = false;
  #heardMs = 0;

  constructor(options: ProcessesOptions) {
    this.#options = options;
  }

  /** The client has sent something, so it is not done yet with what it does. */
  heard(): void {
    this.#heardMs = this.#options.clock.now();
  }

  /**
   * Takes charge of a process that was just started.
   *
   * @param keep Which of its outputs to keep when the client is gone, or null.
   */
  add(
    child: GuestProcess,
    about: { readonly command: string; readonly args: readonly string[] },
    keep: Wanted | null,
  ): Added {
    const { clock, record, guest } = this.#options;
    const known = Promise.withResolvers<void>();
    const left = Promise.withResolvers<never>();
    left.promise.catch(() => {}); // those who race it have the rejection too
    const started: Started = { child, known, left, hold: null, isKnown: false, isEnded: false };
    this.#started.set(child.pid, started);
    this.#hold(started, clock.now());
    record("command-started", { pid: child.pid, ...about });
    const kept = keep === null ? null : keptProcessesOf(guest).add(child, keep, this);
    void this.#follow(started);
    if (this.#isDetached) this.detachAll(); // the client left while the process started
    return { known: known.promise, kept };
  }

  /** Takes up the output of a process that another connection has started. @throws {CallFailure} */
  attach(pid: number): KeptProcess {
    return keptProcessesOf(this.#options.guest).attach(pid, this);
  }

  /** How the process ended, when it has; of any process of the sandbox. @throws {GuestError} */
  async wait(pid: number, signal: AbortSignal): Promise<Exit> {
    const started = this.#started.get(pid);
    if (started === undefined) return await this.#options.guest.call("wait", { pid }, signal);
    this.#know(started);
    return await untilAborted(this.#endOf(started), signal);
  }

  /** The client is gone: the processes go on, and nobody reads what they write. */
  detachAll(): void {
    const { guest, clock } = this.#options;
    const kept = keptProcessesOf(guest);
    this.#isDetached = true;
    for (const started of this.#started.values()) {
      if (!kept.has(started.child)) {
        started.left.reject(new Error("the client has disconnected"));
        if (!started.isEnded) started.child.detach();
      }
      this.#know(started);
    }
    kept.leave(this, clock);
  }

  /** Takes the process for known when the client has been quiet for long enough, or has had long enough. */
  #hold(started: Started, startedMs: number): void {
    const { clock } = this.#options;
    const quietMs = Math.max(this.#heardMs, startedMs) + limits.outputHoldMs;
    const leftMs = Math.min(quietMs, startedMs + limits.outputHoldMaxMs) - clock.now();
    if (leftMs <= 0) this.#know(started);
    else started.hold = clock.setTimer(leftMs, () => this.#hold(started, startedMs));
  }

  #know(started: Started): void {
    started.hold?.[Symbol.dispose]();
    started.isKnown = true;
    started.known.resolve();
    this.#forget(started);
  }

  #forget(started: Started): void {
    const { pid } = started.child;
    const isDone = started.isKnown && started.isEnded;
    if (isDone && this.#started.get(pid) === started) this.#started.delete(pid);
  }

  async #follow(started: Started): Promise<void> {
    const { child } = started;
    try {
      const { code, signal, oom } = await this.#endOf(started);
      this.#options.record("command-ended", { pid: child.pid, code, signal, oom });
    } catch {
      // The sandbox ended before the process did, and its event log says that.
    }
    started.isEnded = true;
    this.#forget(started);
  }

  /** A process to which nobody is attached any more still ends, and the guest knows how. */
  async #endOf({ child, left }: Started): Promise<Exit> {
    try {
      return await Promise.race([child.exit, left.promise]);
    } catch {
      return await this.#options.guest.call("wait", { pid: child.pid });
    }
  }
}
