import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";

import type { ChildProcess, Sandbox } from "@skerry/sdk";

import type { Context, EndingSignal } from "./context.ts";
import { terminalOf } from "./terminal.ts";

export interface CommandOptions {
  readonly cwd: string | undefined;
  /** Collects the output and prints it with the exit code as one JSON object. */
  readonly json: boolean;
  /** Whether the command has a terminal. Default: when this process' input and output are one. */
  readonly tty?: boolean | undefined;
}

/**
 * Runs a command in a sandbox as if it ran here: its input and output are this process', and its
 * exit code is what is returned. The words are joined by spaces and read by bash.
 */
export async function runCommand(
  sandbox: Sandbox,
  words: readonly string[],
  options: CommandOptions,
  context: Context,
): Promise<number> {
  const terminal = options.json ? null : terminalOf(context, options.tty);
  const child = await sandbox.spawn("bash", {
    args: ["-c", words.join(" ")],
    env: { BASH_ENV: "$HOME/.bashrc" },
    cwd: options.cwd,
    stdin: "piped",
    stdout: "piped",
    stderr: terminal === null ? "piped" : "null",
    pty: terminal?.size(),
  });
  using _ = terminal?.join(child) ?? null;
  const stopSignals = context.onSignal(interruptor(sandbox, child));
  const stopInput = feed(child, context);
  try {
    return options.json ? await printed(sandbox, child, context) : await copied(child, context);
  } finally {
    stopInput();
    stopSignals();
  }
}

async function copied(child: ChildProcess, context: Context): Promise<number> {
  const [status] = await Promise.all([
    child.status,
    copy(child, child.stdout, context.stdout),
    copy(child, child.stderr, context.stderr),
  ]);
  return status.code;
}

async function printed(sandbox: Sandbox, child: ChildProcess, context: Context): Promise<number> {
  const { status, stdoutText, stderrText } = await child.output();
  const { code, signal, oom } = status;
  context.output.json({
    id: sandbox.id,
    code,
    signal,
    oom,
    stdout: stdoutText,
    stderr: stderrText,
  });
  return code;
}

/**
 * Copies at the pace of the reader. When the reader goes away, the command gets what a program of
 * this machine would get for writing to nobody.
 */
async function copy(
  child: ChildProcess,
  from: ReadableStream<Uint8Array> | null,
  to: Writable,
): Promise<void> {
  if (from === null) return;
  try {
    await pipeline(from, to, { end: false });
  } catch (error) {
    if (!isClosedPipe(error)) throw error;
    await child.kill("SIGPIPE");
  }
}

/** Passes this process' input on until it ends; the returned function leaves the rest of it alone. */
function feed(child: ChildProcess, { stdin }: Context): () => void {
  const passed = pass(stdin, child.stdin);
  // Commands may end before their input does; how the command ends is what counts then.
  passed.catch(() => {});
  return () => void stdin.destroy();
}

async function pass(from: Readable, to: WritableStream<Uint8Array> | null): Promise<void> {
  const writer = to?.getWriter();
  for await (const chunk of from) await writer?.write(chunk as Buffer); // no encoding is set on it
  await writer?.close();
}

/** The first signal is for the command; the second ends the connection, for a command that ignores it. */
function interruptor(sandbox: Sandbox, child: ChildProcess): (signal: EndingSignal) => void {
  let isAsked = false;
  return (signal) => {
    const asked = isAsked ? sandbox.close() : child.kill(signal);
    isAsked = true;
    asked.catch(() => {}); // the connection has ended, which whoever waits for the command hears
  };
}

function isClosedPipe(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return (
    code === "EPIPE" || code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ERR_STREAM_DESTROYED"
  );
}
