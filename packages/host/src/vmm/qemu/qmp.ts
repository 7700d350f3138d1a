import { connect, type Socket } from "node:net";

import { SandboxError } from "@skerry/protocol";

const answerMaxBytes = 1_048_576;
const commandMs = 20_000;

/**
 * The monitor of one QEMU: commands and answers as lines of JSON (QMP). Commands are answered in
 * order; events are of no interest, since what they tell is also in the answers and in the exit.
 */
export class Qmp {
  readonly #socket: Socket;
  readonly #waiting: PromiseWithResolvers<unknown>[] = [];
  readonly #closed = Promise.withResolvers<void>();
  #rest = "";
  #failure: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#receive(text));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the monitor closed")));
  }

  /** Connects to a monitor that listens on `path` and makes it ready for commands. */
  static async open(path: string, signal: AbortSignal): Promise<Qmp> {
    const qmp = new Qmp(connect({ path }));
    const abort = (): void => qmp.close();
    signal.addEventListener("abort", abort, { once: true });
    try {
      await qmp.run("qmp_capabilities");
      return qmp;
    } catch (error) {
      qmp.close();
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Settles when the monitor's socket has closed, which it does when QEMU ends. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /**
   * Runs a command and returns its answer.
   *
   * @throws {SandboxError} `HOST_UNAVAILABLE` when QEMU refuses, does not answer, or has ended.
   */
  async run(command: string, args?: object): Promise<unknown> {
    if (this.#failure !== undefined) throw unavailable(command, this.#failure);
    const waiter = Promise.withResolvers<unknown>();
    this.#waiting.push(waiter);
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    const deadline = setTimeout(() => this.#fail(new Error("no answer in time")), commandMs);
    try {
      return await waiter.promise;
    } catch (error) {
      throw unavailable(command, error);
    } finally {
      clearTimeout(deadline);
    }
  }

  close(): void {
    this.#fail(new Error("the monitor was closed"));
  }

  #receive(text: string): void {
    this.#rest += text;
    const lines = this.#rest.split("\n");
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > answerMaxBytes) this.#fail(new Error("an endless answer"));
    for (const line of lines) this.#receiveLine(line);
  }

  #receiveLine(line: string): void {
    let answer: unknown;
    try {
      answer = JSON.parse(line);
    } catch (cause) {
      this.#fail(new Error("an answer that is no JSON", { cause }));
      return;
    }
    if (typeof answer !== "object" || answer === null) return;
    if ("return" in answer) this.#waiting.shift()?.resolve(answer.return);
    else if ("error" in answer) this.#waiting.shift()?.reject(new Error(describe(answer.error)));
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#socket.destroy();
    for (const waiter of this.#waiting.splice(0)) waiter.reject(error);
    this.#closed.resolve();
  }
}

function describe(error: unknown): string {
  return typeof error === "object" && error !== null && "desc" in error
    ? String(error.desc)
    : JSON.stringify(error);
}

function unavailable(command: string, cause: unknown): SandboxError {
  return new SandboxError("HOST_UNAVAILABLE", undefined, {
    cause: new Error(`QEMU did not do ${command}`, { cause }),
  });
}
