import { limits, type Exit, type Guest, type GuestProcess } from "@skerry/protocol";

import type { Clock } from "../clock.ts";
import type { EventKind } from "../store/store.ts";
import { untilAborted } from "./lane.ts";

export interface ProcessesOptions {
  readonly guest: Guest;
  readonly clock: Clock;
  /** Adds to the sandbox's event log. */
  readonly record: (kind: EventKind, detail: Readonly<Record<string, unknown>>) => void;
}

interface Running {
  readonly child: GuestProcess;
  /** The client knows the process. */
  readonly known: () => void;
}

/** The processes that one connection has started and that still run. They outlive the connection. */
export class Processes {
  readonly #options: ProcessesOptions;
  readonly #running = new Map<number, Running>();
  #isDetached = false;

  constructor(options: ProcessesOptions) {
    this.#options = options;
  }

  /**
   * Takes charge of a process that was just started.
   *
   * @returns when its output may be sent: a client that gets output in the same breath as the answer
   * to `spawn` may not have a place for it yet (the Python one throws it away). It says that it
   * knows the process by waiting for it.
   */
  add(child: GuestProcess, about: { readonly command: string; readonly args: readonly string[] }) {
    const { clock, record } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.setTimer(limits.outputHoldMs, resolve);
    const known = (): void => {
      timer[Symbol.dispose]();
      resolve();
    };
    const running = { child, known };
    this.#running.set(child.pid, running);
    record("command-started", { pid: child.pid, ...about });
    void this.#follow(running);
    if (this.#isDetached) this.detachAll(); // the client left while the process started
    return promise;
  }

  /** How the process ended, when it has; of any process of the sandbox. @throws {GuestError} */
  async wait(pid: number, signal: AbortSignal): Promise<Exit> {
    const running = this.#running.get(pid);
    if (running === undefined) return await this.#options.guest.call("wait", { pid }, signal);
    running.known();
    return await untilAborted(running.child.exit, signal);
  }

  /** The client is gone: the processes go on, and nobody reads what they write. */
  detachAll(): void {
    this.#isDetached = true;
    for (const { child, known } of this.#running.values()) {
      known();
      child.detach();
      void this.#recordLater(child.pid);
    }
    this.#running.clear();
  }

  async #follow(running: Running): Promise<void> {
    const { pid, exit } = running.child;
    try {
      this.#recordEnd(pid, await exit);
    } catch {
      // The machine ended, or nobody is attached any more: then #recordLater() has the end.
    } finally {
      running.known();
      if (this.#running.get(pid) === running) this.#running.delete(pid);
    }
  }

  async #recordLater(pid: number): Promise<void> {
    try {
      this.#recordEnd(pid, await this.#options.guest.call("wait", { pid }));
    } catch {
      // The sandbox ended before the process did, and its event log says that.
    }
  }

  #recordEnd(pid: number, { code, signal, oom }: Exit): void {
    this.#options.record("command-ended", { pid, code, signal, oom });
  }
}
