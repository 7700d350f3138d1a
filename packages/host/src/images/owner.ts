import { readFileSync } from "node:fs";

/**
 * A process, named so that a later one with the same id is told apart: `<pid>-<start time in clock ticks>`.
 * Names of temporary directories and locks carry it.
 */
export function ownerOf(pid: number): string | null {
  try {
    // The name in parentheses may hold anything; the start time is the 20th field after it.
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? null : `${pid}-${fields[19]}`;
  } catch {
    // No such process.
    return null;
  }
}

/** Whether the process that wrote this name still runs. */
export function isAlive(owner: string): boolean {
  return ownerOf(Number.parseInt(owner, 10)) === owner;
}
