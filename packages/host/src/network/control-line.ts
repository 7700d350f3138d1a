import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface } from "node:readline";

import { limits, SandboxError } from "@skerry/protocol";

import { endHelper, startHelper } from "./helper.ts";

interface Waiting {
  readonly resolve: (answer: string) => void;
  readonly reject: (error: Error) => void;
}

interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  /** For each request that has no answer yet, in order. */
  readonly waiting: Waiting[];
}

/**
 * A program that answers each line on its input with a line on its output, in order. When it ends, the
 * next request starts another.
 */
export class ControlLine implements AsyncDisposable {
  readonly #command: readonly string[];
  #running: Running | null = null;

  constructor(command: readonly string[]) {
    this.#command = command;
  }

  /** @throws {SandboxError} `HOST_UNAVAILABLE` when the answer is not `ok`, or there is none in time. */
  async ask(request: string): Promise<void> {
    const { child, waiting } = (this.#running ??= this.#start());
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    waiting.push({ resolve, reject });
    child.stdin.write(`${request}\n`);
    const late = setTimeout(() => child.kill("SIGKILL"), limits.networkChangeMs);
    const answer = await promise.finally(() => clearTimeout(late));
    if (answer !== "ok") throw failure(`${request}: ${answer}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#running?.child;
    if (child !== undefined) await endHelper(child);
  }

  #start(): Running {
    const child = startHelper(this.#command);
    const running: Running = { child, waiting: [] };
    let complaint = "";
    child.stderr.on("data", (chunk: Buffer) => (complaint = chunk.toString().slice(0, 1_000)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      running.waiting.shift()?.resolve(line);
    });
    const over = (): void => {
      if (this.#running === running) this.#running = null;
      for (const { reject } of running.waiting) reject(failure(complaint.trim() || "it has ended"));
    };
    child.once("error", over);
    child.once("close", over);
    return running;
  }
}

function failure(why: string): SandboxError {
  const cause = new Error(`the network cannot be changed: ${why}`);
  return new SandboxError("HOST_UNAVAILABLE", undefined, { cause });
}
