import type { SandboxResult } from "@skerry/protocol";

import { ChildProcess, type ChildStreams } from "./child-process.ts";
import type { KillSignal } from "./kill-controller.ts";
import { pathText, type SandboxPath } from "./path.ts";
import type { Rpc } from "./rpc.ts";
import { copyToStandard, type StandardStream } from "./standard-streams.ts";

/** What becomes of an output: read by the program, copied to its own, or thrown away. */
export type OutputMode = "piped" | "inherit" | "null";

export interface TerminalOptions {
  readonly rows: number;
  readonly cols: number;
  readonly term?: string | undefined;
}

export interface SpawnOptions {
  readonly args?: readonly string[] | undefined;
  /** Variables on top of the sandbox's. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Leaves out the sandbox's variables. Default `false`. */
  readonly clearEnv?: boolean | undefined;
  /** Default: the home directory. */
  readonly cwd?: SandboxPath | undefined;
  /** `"null"`, the default, is an empty input. */
  readonly stdin?: "piped" | "null" | undefined;
  /** Default `"inherit"`. */
  readonly stdout?: OutputMode | undefined;
  /** Default `"inherit"`. */
  readonly stderr?: OutputMode | undefined;
  /**
   * Gives the process a terminal of this size, in characters, in the place of its streams: what it
   * shows is read from `stdout`, what is typed is written to `stdin`. `term` is what it is told the
   * terminal is, by default `"xterm-256color"`.
   */
  readonly pty?: TerminalOptions | undefined;
  /** When it aborts, the process is sent SIGTERM; a `KillSignal` may carry any signal. */
  readonly signal?: AbortSignal | KillSignal | undefined;
}

/** @internal Starts a process. */
export async function spawn(
  rpc: Rpc,
  command: SandboxPath,
  options: SpawnOptions = {},
): Promise<ChildProcess> {
  const { args } = options;
  const params = { command: pathText(command), args: args && [...args], pty: options.pty };
  const { spawned, streams } = await start(rpc, options, (common) =>
    rpc.call("spawn", { ...params, ...common }),
  );
  const child = new ChildProcess(rpc, spawned.pid, streams);
  if (options.signal !== undefined) child.follow(options.signal);
  return child;
}

/** @internal What every way of starting a process sends. */
export interface StartParams {
  readonly env: Record<string, string> | undefined;
  readonly clearEnv: boolean | undefined;
  readonly cwd: string | undefined;
  readonly stdinStreamId: number | undefined;
  readonly stdout: "piped" | "null";
  readonly stderr: "piped" | "null";
}

/** @internal Starts something by `call`, and joins its streams as the options say. */
export async function start<T extends SandboxResult<"spawn">>(
  rpc: Rpc,
  options: Omit<SpawnOptions, "args" | "pty">,
  call: (params: StartParams) => Promise<T>,
): Promise<{ readonly spawned: T; readonly streams: ChildStreams }> {
  const { signal, stdin = "null", stdout = "inherit", stderr = "inherit" } = options;
  if (signal instanceof AbortSignal) signal.throwIfAborted();
  const input = stdin === "piped" ? rpc.streams.writable() : undefined;
  const spawned = await call({
    env: options.env === undefined ? undefined : { ...options.env },
    clearEnv: options.clearEnv,
    cwd: options.cwd === undefined ? undefined : pathText(options.cwd),
    stdinStreamId: input?.id,
    stdout: stdout === "null" ? "null" : "piped",
    stderr: stderr === "null" ? "null" : "piped",
  }).catch(async (error: unknown) => {
    await input?.writable.abort(error);
    throw error;
  });
  const outputs = [
    take(rpc, spawned.stdoutStreamId, stdout, "stdout"),
    take(rpc, spawned.stderrStreamId, stderr, "stderr"),
  ] as const;
  const streams: ChildStreams = {
    stdin: input?.writable ?? null,
    stdout: outputs[0].readable,
    stderr: outputs[1].readable,
    copies: outputs.map(({ copied }) => copied),
  };
  return { spawned, streams };
}

interface Output {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>> | null;
  readonly copied: Promise<void>;
}

function take(rpc: Rpc, id: number | null, mode: OutputMode, name: StandardStream): Output {
  if (id === null) return { readable: null, copied: Promise.resolve() };
  const readable = rpc.streams.take(id);
  if (mode !== "inherit") return { readable, copied: Promise.resolve() };
  const copied = copyToStandard(readable, name);
  copied.catch(() => {}); // `output()` reports it; whoever does not ask for the output is not told
  return { readable: null, copied };
}
