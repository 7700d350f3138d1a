import {
  thrown,
  type ByteSink,
  type ByteStream,
  type GuestProcess,
  type SandboxResult,
  type SpawnParams,
} from "@skerry/protocol";

import { invalidParams } from "./failures.ts";
import type { CallContext } from "./handlers/handler.ts";
import type { IncomingStream } from "./streams/incoming-stream.ts";
import type { IncomingStreams } from "./streams/incoming.ts";

/** What becomes of the streams of a process, as the client has asked for. */
export interface LaunchOptions {
  readonly stdinStreamId: number | undefined;
  readonly stdout: SpawnParams["stdout"];
  readonly stderr: SpawnParams["stderr"];
  /** Holds the output until the client has taken it, for another socket to go on with. */
  readonly keep?: boolean | undefined;
}

/** For the event log. */
export interface LaunchAbout {
  readonly command: string;
  readonly args: readonly string[];
}

/** A process that runs, and what its client is told. */
export interface Launched {
  readonly child: GuestProcess;
  readonly answer: SandboxResult<"spawn">;
}

/**
 * Starts a process and joins its streams with those of the client.
 *
 * @param start Starts it, with its stdin as given; when it throws, the client's stream is given up.
 */
export async function launch(
  options: LaunchOptions,
  about: LaunchAbout,
  start: (stdin: SpawnParams["stdin"]) => Promise<GuestProcess>,
  { incoming, outgoing, processes }: CallContext,
): Promise<Launched> {
  const { stdinStreamId, keep = false } = options;
  if (keep && !outgoing.canKeep) {
    throw invalidParams([{ path: ["keep"], message: "needs the subprotocol skerry.v1" }]);
  }
  outgoing.ensureRoom(2);
  const input = stdinStreamId === undefined ? null : incoming.claim(stdinStreamId);
  const child = await startOrRelease(start, input, incoming);
  const wanted = { stdout: options.stdout === "piped", stderr: options.stderr === "piped" };
  const { known, kept } = processes.add(child, about, keep ? wanted : null);
  if (input !== null && child.stdin !== null) void feed(child, child.stdin, input, incoming);
  const open = (name: "stdout" | "stderr"): number | null => {
    const output = child[name];
    if (output === null) return null;
    const held = kept?.[name] ?? undefined;
    if (held !== undefined) return outgoing.open(held.read(0), { ready: known, kept: held });
    if (wanted[name]) return outgoing.open(output, { ready: known });
    void discard(output); // a process that was started before anybody knew what was wanted of it
    return null;
  };
  const answer = {
    pid: child.pid,
    stdoutStreamId: open("stdout"),
    stderrStreamId: open("stderr"),
  };
  return { child, answer };
}

async function startOrRelease(
  start: (stdin: SpawnParams["stdin"]) => Promise<GuestProcess>,
  input: IncomingStream | null,
  incoming: IncomingStreams,
): Promise<GuestProcess> {
  try {
    return await start(input === null ? "null" : "piped");
  } catch (error) {
    if (input !== null) incoming.release(input, thrown("Error", "the process did not start", null));
    throw error;
  }
}

const noReader = thrown("BrokenPipe", "the process takes no more input", "EPIPE");

/** Carries stdin to the process until the client ends it or the process does. Never rejects. */
async function feed(
  child: GuestProcess,
  stdin: ByteSink,
  input: IncomingStream,
  incoming: IncomingStreams,
): Promise<void> {
  const retire = (): void => incoming.retire(input, noReader);
  void child.exit.then(retire, retire);
  try {
    for await (const piece of input.read()) await stdin.write(piece);
  } catch {
    // The client gave its stream up, or the process its end: both are an end of stdin, and the
    // client learns of the second with the next bytes that it sends.
  } finally {
    stdin.end();
    retire();
  }
}

/** Never rejects. */
async function discard(output: ByteStream): Promise<void> {
  try {
    for await (const _ of output);
  } catch {
    // The machine has gone, and its output with it.
  }
}
