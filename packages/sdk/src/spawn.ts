import type { SandboxResult } from "@skerry/protocol";

import { ChildProcess, type ChildStreams } from "./child-process.ts";
import { keptStream } from "./kept-stream.ts";
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
  readonly keep: true | undefined;
}

/** @internal Starts something by `call`, and joins its streams as the options say. */
export async function start<T extends SandboxResult<"spawn">>(
  rpc: Rpc,
  options: Omit<SpawnOptions, "args" | "pty">,
  call: (params: StartParams) => Promise<T>,
): Promise<{ readonly spawned: T; readonly streams: ChildStreams }> {
  const { signal, stdin = "null", stdout = "inherit", stderr = "inherit" } = options;
  if (signal instanceof AbortSignal) signal.throwIfAborted();
  await rpc.ready();
  const input = stdin === "piped" ? rpc.streams.writable() : undefined;
  const keep = rpc.canKeep ? true : undefined;
  const spawned = await call({
    keep,
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
  const { pid } = spawned;
  const outputs = (["stdout", "stderr"] as const).map((name) => {
    const id = name === "stdout" ? spawned.stdoutStreamId : spawned.stderrStreamId;
    if (id === null) return { readable: null, copied: Promise.resolve() };
    const taken = rpc.streams.take(id);
    const readable = keep ? keptStream(taken, (from) => rejoin(rpc, pid, name, from)) : taken;
    return outputOf(readable, name === "stdout" ? stdout : stderr, name);
  });
  const [out, err] = outputs;
  const streams: ChildStreams = {
    stdin: input?.writable ?? null,
    stdout: out?.readable ?? null,
    stderr: err?.readable ?? null,
    copies: outputs.map(({ copied }) => copied),
    isKept: keep === true,
  };
  return { spawned, streams };
}

interface Output {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>> | null;
  readonly copied: Promise<void>;
}

function outputOf(
  readable: ReadableStream<Uint8Array<ArrayBuffer>>,
  mode: OutputMode,
  name: StandardStream,
): Output {
  if (mode !== "inherit") return { readable, copied: Promise.resolve() };
  const copied = copyToStandard(readable, name);
  copied.catch(() => {}); // `output()` reports it; whoever does not ask for the output is not told
  return { readable: null, copied };
}

/** The rest of an output, over the connection that has taken the place of the one that dropped. */
async function rejoin(
  rpc: Rpc,
  pid: number,
  name: StandardStream,
  offset: number,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | null> {
  const isStdout = name === "stdout";
  const attached = await rpc.callAgain("processAttach", {
    pid,
    stdoutOffset: isStdout ? offset : null,
    stderrOffset: isStdout ? null : offset,
  });
  const id = isStdout ? attached.stdoutStreamId : attached.stderrStreamId;
  return id === null ? null : rpc.streams.take(id);
}
