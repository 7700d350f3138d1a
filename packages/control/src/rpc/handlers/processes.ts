import { GuestError } from "@skerry/protocol";

import { noSuchProcess, outputLost } from "../failures.ts";
import type { KeptOutput } from "../kept/kept-output.ts";
import { launch } from "../launch.ts";
import type { Handlers } from "./handler.ts";

/** Processes: start, wait, kill. */
export const processHandlers: Handlers<
  "spawn" | "processAttach" | "processWait" | "processKill" | "processResize"
> = {
  async spawn(params, context) {
    const { command, args, env, clearEnv, cwd, stdinStreamId, stdout, stderr, pty, keep } = params;
    const { answer } = await launch(
      { stdinStreamId, stdout, stderr, keep },
      { command, args: args ?? [] },
      (stdin) =>
        context.guest.spawn({ command, args, env, clearEnv, cwd, stdin, stdout, stderr, pty }),
      context,
    );
    return answer;
  },
  async processAttach({ pid, stdoutOffset, stderrOffset }, { processes, outgoing }) {
    if (!outgoing.canKeep) throw outputLost();
    outgoing.ensureRoom(2);
    const { stdout, stderr } = processes.attach(pid);
    const read = (kept: KeptOutput | null, from: number | null): (() => number) | null => {
      if (kept === null || from === null) return null;
      const bytes = kept.read(from);
      return () => outgoing.open(bytes, { kept });
    };
    const outputs = [read(stdout, stdoutOffset), read(stderr, stderrOffset)] as const;
    return {
      pid,
      stdoutStreamId: outputs[0]?.() ?? null, // nothing is sent when one of them is lost
      stderrStreamId: outputs[1]?.() ?? null,
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
  async processResize({ pid, rows, cols }, { guest, signal }) {
    try {
      await guest.call("resize", { pid, rows, cols }, signal);
      return null;
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

export function isUnknownProcess(error: unknown): boolean {
  return error instanceof GuestError && error.errno === "ESRCH";
}
