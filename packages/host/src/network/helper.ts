import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";

import { limits } from "@skerry/protocol";

/** Starts a program that is told what to do over its input, and ends when that does. */
export function startHelper(command: readonly string[]): ChildProcessWithoutNullStreams {
  const [program = "", ...args] = command;
  // A Ctrl-C in the server's terminal must not end it before the machines.
  const child = spawn(program, args, { cwd: "/", env: {}, detached: true });
  child.stdin.on("error", () => {}); // `close` follows
  return child;
}

/** Ends its input and waits for its end; one that does not go is killed. */
export async function endHelper(child: ChildProcessWithoutNullStreams): Promise<void> {
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.stdin.end();
  const late = setTimeout(() => child.kill("SIGKILL"), limits.networkChangeMs);
  await ended;
  clearTimeout(late);
}
