import type { SandboxResult } from "@skerry/protocol";

import { OperationError } from "./errors.ts";
import type { KillSignal, Signal } from "./kill-controller.ts";
import type { Rpc } from "./rpc.ts";

/** How a process ended. */
export interface ChildProcessStatus {
  /** Whether the code is 0. */
  readonly success: boolean;
  /** The exit code; 128 + the signal's number when a signal ended the process. */
  readonly code: number;
  /** The signal that ended it, or `null` when it ended by itself. */
  readonly signal: Signal | null;
  /** Whether the process, or one that it started, ran out of memory. */
  readonly oom: boolean;
}

/** What a process left behind: how it ended, and what it wrote to the streams that were `"piped"`. */
export interface ChildProcessOutput {
  readonly status: ChildProcessStatus;
  readonly stdout: Uint8Array<ArrayBuffer> | null;
  readonly stderr: Uint8Array<ArrayBuffer> | null;
  /** `stdout` as UTF-8. */
  readonly stdoutText: string | null;
  /** `stderr` as UTF-8. */
  readonly stderrText: string | null;
}

/** @internal The streams of a process, and what copies the ones that are inherited. */
export interface ChildStreams {
  readonly stdin: WritableStream<Uint8Array> | null;
  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>> | null;
  readonly stderr: ReadableStream<Uint8Array<ArrayBuffer>> | null;
  readonly copies: readonly Promise<void>[];
  /** Whether the process can be found again over another connection. */
  readonly isKept: boolean;
}

/** A process in a sandbox. Disposing of it kills it and waits for its end. */
export class ChildProcess extends EventTarget implements AsyncDisposable {
  /** The process id inside the sandbox. */
  readonly pid: number;
  /** Where to write what the process reads; `null` unless `"piped"`. Close it to say that it is all. */
  readonly stdin: WritableStream<Uint8Array> | null;
  /** What the process writes; `null` unless `"piped"`. It has to be read, or the process will wait. */
  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>> | null;
  /** As {@link stdout}. */
  readonly stderr: ReadableStream<Uint8Array<ArrayBuffer>> | null;
  /** Resolves when the process has ended. @throws {ConnectionError} when the connection ends first. */
  readonly status: Promise<ChildProcessStatus>;

  readonly #rpc: Rpc;
  readonly #copies: readonly Promise<void>[];

  /** @internal Use `sandbox.spawn()`. */
  constructor(rpc: Rpc, pid: number, streams: ChildStreams) {
    super();
    this.#rpc = rpc;
    this.pid = pid;
    this.stdin = streams.stdin;
    this.stdout = streams.stdout;
    this.stderr = streams.stderr;
    this.#copies = streams.copies;
    const wait = streams.isKept
      ? rpc.callAgain("processWait", { pid })
      : rpc.call("processWait", { pid });
    this.status = wait.then(statusOf);
    this.status.catch(() => {}); // whoever awaits it gets it; it may be that nobody does
  }

  /**
   * Sends a signal to the process; resolves when it is sent, not when the process has ended. When
   * the process is gone already, there is nothing to do.
   *
   * @param signal Default `"SIGTERM"`.
   */
  async kill(signal: Signal = "SIGTERM"): Promise<void> {
    try {
      await this.#rpc.call("processKill", { pid: this.pid, signal });
    } catch (error) {
      const isGone = error instanceof OperationError && ["ENOENT", "ESRCH"].includes(error.code);
      if (!isGone) throw error;
    }
  }

  /** Says that the terminal of the process has another size, in characters. @throws {OperationError} `ENOTTY` */
  async resize(rows: number, cols: number): Promise<void> {
    await this.#rpc.call("processResize", { pid: this.pid, rows, cols });
  }

  /** Waits for the end and collects what the process writes until then. */
  async output(): Promise<ChildProcessOutput> {
    const [status, stdout, stderr] = await Promise.all([
      this.status,
      bytesOf(this.stdout),
      bytesOf(this.stderr),
      ...this.#copies,
    ]);
    return outputOf(status, stdout, stderr);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill("SIGKILL");
    await this.status;
  }

  /** @internal Sends the process whatever `signal` carries, until it ends. */
  follow(signal: AbortSignal | KillSignal): void {
    // A kill that cannot be sent means that the connection has ended; `status` rejects with that.
    const kill = (name: Signal): void => void this.kill(name).catch(() => {});
    const stop = signal instanceof AbortSignal ? onAbort(signal, kill) : onKill(signal, kill);
    this.status.then(stop, stop);
  }
}

type Send = (signal: Signal) => void;

function onAbort(signal: AbortSignal, send: Send): () => void {
  const abort = (): void => send("SIGTERM");
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  return () => signal.removeEventListener("abort", abort);
}

function onKill(signal: KillSignal, send: Send): () => void {
  if (signal.aborted) send("SIGTERM");
  signal.addListener(send);
  return () => signal.removeListener(send);
}

/** @internal */
export function outputOf(
  status: ChildProcessStatus,
  stdout: Uint8Array<ArrayBuffer> | null,
  stderr: Uint8Array<ArrayBuffer> | null,
): ChildProcessOutput {
  const textOf = (bytes: Uint8Array | null): string | null =>
    bytes === null ? null : new TextDecoder().decode(bytes);
  return {
    status,
    stdout,
    stderr,
    get stdoutText() {
      return textOf(stdout);
    },
    get stderrText() {
      return textOf(stderr);
    },
  };
}

function statusOf(exit: SandboxResult<"processWait">): ChildProcessStatus {
  // The guest says which signal; a name that this version does not know is still a signal.
  const signal = exit.signal as Signal | null;
  return { success: exit.success, code: exit.code, signal, oom: exit.oom !== null };
}

async function bytesOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>> | null,
): Promise<Uint8Array<ArrayBuffer> | null> {
  return stream === null ? null : new Uint8Array(await new Response(stream).arrayBuffer());
}
