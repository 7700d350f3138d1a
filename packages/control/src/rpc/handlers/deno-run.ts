import { randomUUID } from "node:crypto";

import { watcherRestart, type SandboxParams } from "@skerry/protocol";

import { runDeno, type DenoProgram } from "../deno/run.ts";
import { denoOf } from "../deno/runtime.ts";
import { tellRestarts } from "../deno/watch.ts";
import { noSuchProcess, throwing } from "../failures.ts";
import { launch } from "../launch.ts";
import type { CallContext, Handlers } from "./handler.ts";
import { isUnknownProcess } from "./processes.ts";

/** Deno programs, and the HTTP servers that they are. */
export const denoRunHandlers: Handlers<"spawnDeno" | "denoHttpWait"> = {
  async spawnDeno(params, context) {
    const { guest, outbox } = context;
    const { env, clearEnv, cwd, scriptArgs: args = [], stdout, stderr } = params;
    const program = programOf(params);
    const isWatched = "watch" in program && program.watch !== undefined && program.watch !== false;
    const watcherId = isWatched ? randomUUID() : null;
    const { answer } = await launch(
      params,
      { command: "deno", args: ["run", nameOf(program), ...args] },
      async (stdin) => {
        const heard = isWatched ? "piped" : stderr;
        const options = { env, clearEnv, cwd, stdin, stdout, stderr: heard, args };
        const child = await runDeno(guest, program, options);
        if (watcherId === null || child.stderr === null) return child;
        const restarted = (): void => outbox.notify(watcherRestart, { watcherId });
        return { ...child, stderr: tellRestarts(child.stderr, restarted) };
      },
      context,
    );
    return { ...answer, watcherId };
  },

  async denoHttpWait({ pid }, { guest, signal }) {
    const socket = denoOf(guest).socketOf(pid);
    const over = new AbortController();
    const until = AbortSignal.any([signal, over.signal]);
    const ended = endOf(pid, guest, until);
    if (socket === undefined) {
      await ended; // throws for a process that never was
      return false;
    }
    const serving = guest.dial({ unix: socket, patient: true }, until).then((connection) => {
      connection.close();
      return true;
    });
    try {
      return await Promise.race([serving, ended.then(() => false)]);
    } finally {
      over.abort(new Error("it is known"));
      serving.catch(() => {}); // given up
      ended.catch(() => {});
    }
  },
};

async function endOf(pid: number, guest: CallContext["guest"], signal: AbortSignal): Promise<void> {
  try {
    await guest.call("wait", { pid }, signal);
  } catch (error) {
    throw isUnknownProcess(error) ? noSuchProcess() : error;
  }
}

function programOf(params: SandboxParams<"spawnDeno">): DenoProgram {
  if ("code" in params) return { code: params.code, extension: params.extension };
  const { entrypoint, watch } = params;
  if (Array.isArray(watch) && watch.some((path) => path.includes(","))) {
    throw throwing("TypeError", "Paths to watch cannot contain commas.", null);
  }
  return { entrypoint, watch };
}

function nameOf(program: DenoProgram): string {
  return "code" in program ? `(code.${program.extension})` : program.entrypoint;
}
