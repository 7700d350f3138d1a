import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface } from "node:readline";

import {
  EgressMessage,
  limits,
  SandboxError,
  type EgressRequest,
  type NetworkGrant,
  type Refusal,
} from "@skerry/protocol";
import type { Logger } from "pino";

import { endHelper, startHelper } from "./helper.ts";

export interface EgressOptions {
  /** What starts it, with its sockets open. */
  readonly command: readonly string[];
  readonly onRefused: (machine: number, refusal: Refusal) => void;
  readonly log: Logger;
}

/** Time before an egress that has ended is started again; it doubles with each that ends at once. */
const firstRestMs = 100;
const lastRestMs = 5_000;
const steadyMs = 10_000;

/** A number that no machine has: a request about it only shows that those before it are done. */
const barrier = 65_535;

/**
 * The egress process, and whatever takes its place when it ends. Until the next one knows what each
 * machine may, nobody listens: connections are refused.
 */
export class Egress implements AsyncDisposable {
  readonly #options: EgressOptions;
  readonly #grants = new Map<number, NetworkGrant>();
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>();
  #child: ChildProcessWithoutNullStreams | undefined;
  #timer: NodeJS.Timeout | undefined;
  #restMs = firstRestMs;
  #nextId = 0;
  #isClosed = false;

  constructor(options: EgressOptions) {
    this.#options = options;
    this.#start();
  }

  /**
   * Says what a machine may; null forgets it. Resolves when egress knows.
   *
   * @throws {SandboxError} `HOST_UNAVAILABLE` when it does not in time.
   */
  async set(machine: number, grant: NetworkGrant | null): Promise<void> {
    if (grant === null) this.#grants.delete(machine);
    else this.#grants.set(machine, grant);
    const id = this.#nextId++;
    const done = Promise.withResolvers<void>();
    this.#waiting.set(id, done);
    const late = setTimeout(() => {
      const cause = new Error("egress does not answer");
      done.reject(new SandboxError("HOST_UNAVAILABLE", undefined, { cause }));
      this.#child?.kill("SIGKILL"); // the next one may
    }, limits.networkChangeMs);
    this.#send({ id, machine, grant });
    try {
      await done.promise;
    } finally {
      clearTimeout(late);
      this.#waiting.delete(id);
    }
  }

  /** Resolves when it serves. @throws {SandboxError} `HOST_UNAVAILABLE` when it does not in time. */
  async ready(): Promise<void> {
    await this.set(barrier, null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (child !== undefined) await endHelper(child);
  }

  #start(): void {
    const child = startHelper(this.#options.command);
    this.#child = child;
    const startedAt = performance.now();
    let complaint = "";
    child.stderr.on(
      "data",
      (chunk: Buffer) => (complaint = `${complaint}${chunk.toString()}`.slice(-2_000)),
    );
    createInterface({ input: child.stdout }).on("line", (line) => this.#receive(line));
    const over = (): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      if (this.#isClosed) return;
      this.#options.log.error({ complaint: complaint.trim() }, "egress has ended");
      const isSteady = performance.now() - startedAt > steadyMs;
      this.#restMs = isSteady ? firstRestMs : Math.min(this.#restMs * 2, lastRestMs);
      this.#timer = setTimeout(() => this.#start(), this.#restMs);
    };
    child.once("error", over);
    child.once("close", over);
    for (const [machine, grant] of this.#grants) {
      this.#send({ id: this.#nextId++, machine, grant });
    }
    // Answers come in order: whoever still waits is told by one that comes after all of these.
    for (const id of this.#waiting.keys()) this.#send({ id, machine: barrier, grant: null });
  }

  #send(request: EgressRequest): void {
    this.#child?.stdin.write(`${JSON.stringify(request)}\n`);
  }

  #receive(line: string): void {
    let message: EgressMessage;
    try {
      message = EgressMessage.parse(JSON.parse(line));
    } catch (error) {
      this.#options.log.error({ err: error }, "egress says what makes no sense");
      this.#child?.kill("SIGKILL");
      return;
    }
    if ("done" in message) this.#waiting.get(message.done)?.resolve();
    else this.#options.onRefused(message.machine, message.refused);
  }
}
