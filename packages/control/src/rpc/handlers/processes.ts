import { GuestError } from "@skerry/protocol";

import { noSuchProcess } from "../failures.ts";
import { launch } from "../launch.ts";
import type { Handlers } from "./handler.ts";

/** Processes: start, wait, kill. */
export const processHandlers: Handlers<"spawn" | "processWait" | "processKill" | "processResize"> =
  {
    async spawn(params, context) {
      const { command, args, env, clearEnv, cwd, stdinStreamId, stdout, stderr, pty } = params;
      const { answer } = await launch(
        { stdinStreamId, stdout, stderr },
        { command, args: args ?? [] },
        (stdin) =>
          context.guest.spawn({ command, args, env, clearEnv, cwd, stdin, stdout, stderr, pty }),
        context,
      );
      return answer;
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
