import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The processes that run the machines of a home, by sandbox id. */
export function machineProcesses(home: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const id of readdirSync(join(home, "machines"))) {
    try {
      const text = readFileSync(join(home, "machines", id, "machine.json"), "utf8");
      const { pid, label } = JSON.parse(text) as { pid: number; label?: string };
      if (label !== undefined) found.set((JSON.parse(label) as { id: string }).id, pid);
    } catch {
      // being made or being removed
    }
  }
  return found;
}

/** Resident memory of a process in MiB. */
export function residentMiB(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(text)?.[1]) / 1024;
}

/** The most memory that a process has held since {@link resetPeak}, in MiB. */
export function residentPeakMiB(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmHWM:\s+(\d+)/.exec(text)?.[1]) / 1024;
}

/** From now on {@link residentPeakMiB} counts anew, from what the process holds now. */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

export function isAlive(pid: number): boolean {
  try {
    return !/ Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
