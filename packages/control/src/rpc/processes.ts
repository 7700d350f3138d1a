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
  readonly #detached = Promise.withResolvers<never>();
  #isDetached = false;

  constructor(options: ProcessesOptions) {
    this.#options = options;
    this.#detached.promise.catch(() => {}); // those who race it have the rejection too
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
    return await untilAborted(this.#endOf(running.child), signal);
  }

  /** The client is gone: the processes go on, and nobody reads what they write. */
  detachAll(): void {
    this.#isDetached = true;
    this.#detached.reject(new Error("the client has disconnected"));
    for (const { child, known } of this.#running.values()) {
      known();
      child.detach();
    }
    this.#running.clear();
  }

  async #follow({ child, known }: Running): Promise<void> {
    try {
      const { code, signal, oom } = await this.#endOf(child);
      this.#options.record("command-ended", { pid: child.pid, code, signal, oom });
    } catch {
      // The sandbox ended before the process did, and its event log says that.
    } finally {
      known();
      this.#running.delete(child.pid);
    }
  }

  /** A process to which nobody is attached any more still ends, and the guest knows how. */
  async #endOf(child: GuestProcess): Promise<Exit> {
    try {
      return await Promise.race([child.exit, this.#detached.promise]);
    } catch {
      return await this.#options.guest.call("wait", { pid: child.pid });
    }
  }
}
