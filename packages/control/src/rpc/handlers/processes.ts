import {
  GuestError,
  thrown,
  type ByteSink,
  type ByteStream,
  type GuestProcess,
  type SandboxParams,
} from "@skerry/protocol";

import { noSuchProcess } from "../failures.ts";
import type { IncomingStream } from "../streams/incoming-stream.ts";
import type { IncomingStreams } from "../streams/incoming.ts";
import type { CallContext, Handlers } from "./handler.ts";

/** Processes: start, wait, kill. */
export const processHandlers: Handlers<"spawn" | "processWait" | "processKill"> = {
  async spawn(params, context) {
    const { incoming, outgoing, processes } = context;
    const { command, args, stdinStreamId } = params;
    outgoing.ensureRoom(2);
    const input = stdinStreamId === undefined ? null : incoming.claim(stdinStreamId);
    const child = await start(params, input, context);
    const known = processes.add(child, { command, args: args ?? [] });
    if (input !== null && child.stdin !== null) void feed(child, child.stdin, input, incoming);
    const open = (output: ByteStream | null): number | null =>
      output === null ? null : outgoing.open(output, { ready: known });
    return {
      pid: child.pid,
      stdoutStreamId: open(child.stdout),
      stderrStreamId: open(child.stderr),
    };
  },
  async processWait({ pid }, { processes, signal }) {
    try {
      const { code, signal: signalName, oom } = await processes.wait(pid, signal);
      return { success: code === 0, code, signal: signalName, oom };
    } catch (error) {
      throw isUnknownProcess(error) ? noSuchProcess() : error;
    }
  },
  async processKill({ pid, signal: signalName }, { guest, signal }) {
    try {
      await guest.call("kill", { pid, signal: signalName ?? "SIGTERM" }, signal);
      return null;
    } catch (error) {
      throw isUnknownProcess(error) ? noSuchProcess() : error;
    }
  },
};

async function start(
  params: SandboxParams<"spawn">,
  input: IncomingStream | null,
  { guest, incoming }: CallContext,
): Promise<GuestProcess> {
  const { command, args, env, clearEnv, cwd, stdout, stderr } = params;
  const stdin = input === null ? "null" : "piped";
  try {
    return await guest.spawn({ command, args, env, clearEnv, cwd, stdin, stdout, stderr });
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

function isUnknownProcess(error: unknown): boolean {
  return error instanceof GuestError && error.errno === "ESRCH";
}
