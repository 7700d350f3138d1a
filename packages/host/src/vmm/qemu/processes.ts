import { readdir, readFile } from "node:fs/promises";

import { machineNamePattern } from "./names.ts";

/** A process of the host that runs, or starts, a machine of ours. */
export interface MachineProcess {
  readonly pid: number;
  readonly machineId: string;
}

/** Finds the processes of machines by the name on their command line. */
export async function findMachineProcesses(): Promise<MachineProcess[]> {
  const found: MachineProcess[] = [];
  for (const entry of await readdir("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const machineId = await machineOf(pid);
    if (machineId !== undefined) found.push({ pid, machineId });
  }
  return found;
}

async function machineOf(pid: number): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return undefined; // it ended while we looked
  }
  const args = text.split("\0");
  const name = args[args.indexOf("-name") + 1] ?? "";
  const isOurs = /\/(qemu-system-x86_64|skerry-jail)$/.test(args[0] ?? "");
  return isOurs ? machineNamePattern.exec(name)?.[1] : undefined;
}

/** Kills a process and waits until it is gone. */
export async function endProcess(pid: number, deadlineMs: number): Promise<void> {
  const until = performance.now() + deadlineMs;
  try {
    process.kill(pid, "SIGKILL");
    // It is no child of ours, so nothing tells when it is gone.
    while (performance.now() < until) {
      process.kill(pid, 0);
      if (await isZombie(pid)) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return;
    throw error;
  }
}

async function isZombie(pid: number): Promise<boolean> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
  } catch {
    return true; // gone altogether
  }
}
