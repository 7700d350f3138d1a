import type { Guest } from "@skerry/protocol";

import { giveIdentity } from "./identity.ts";
import { leaveRepl } from "./warm-deno.ts";

/**
 * Programs that every template runs once before it is captured. What they read stays in the page
 * cache, which all machines of the template share, so that no sandbox reads it from disk again.
 */
const beforeCapture = [
  "/bin/true",
  "bash -c true",
  "ls -la / /home/sandbox",
  "cat /etc/os-release",
  "sudo true",
  "env",
  "python3 -c pass",
  "node -e 0",
  "git --version",
] as const;

/** Runs what makes the first commands of every machine of a template fast. */
export async function warmTemplate(guest: Guest): Promise<void> {
  // The files that an identity is written to are on the machine's disk from now on.
  await giveIdentity(guest, "skerry", {}, new AbortController().signal);
  for (const command of beforeCapture) await run(guest, command);
  await leaveRepl(guest);
  await warmMachine(guest);
  await guest.call("prepare", {});
}

/**
 * Runs what a sandbox does first, in a machine that waits in the pool: under emulation every machine
 * translates the code that it runs anew, so the first run of anything costs ten times the second.
 */
export async function warmMachine(guest: Guest): Promise<void> {
  for (let round = 0; round < 2; round += 1) await warmShell(guest);
  await guest.call("fs.stat", { path: "/home/sandbox" });
  await guest.call("env.all", {});
}

/**
 * Runs a shell once. A machine that is handed out straight from the template does this while it still
 * has a place among the few that start at a time: its first command costs as much in either place, but
 * twenty machines that translate at once take three times as long as two after two.
 */
export async function warmShell(guest: Guest): Promise<void> {
  // As the shell of the clients is started.
  await run(guest, "bash -c true", { BASH_ENV: "$HOME/.bashrc" });
}

async function run(
  guest: Guest,
  line: string,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const [command = "", ...args] = line.split(" ");
  const program = await guest.spawn({
    command,
    ...{ args, env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  await Promise.all([drain(program.stdout), drain(program.stderr), program.exit]);
}

async function drain(stream: AsyncIterable<Uint8Array> | null): Promise<void> {
  if (stream !== null) for await (const _ of stream);
}
