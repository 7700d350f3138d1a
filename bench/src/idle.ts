import { readFileSync } from "node:fs";

import { Sandbox } from "@skerry/sdk";

import { machineProcesses } from "../../test/support/machines.ts";
import { startServer } from "../../test/support/server.ts";
import { row, type Row } from "./stats.ts";

const sandboxCount = 10;
const watchMs = 8_000;
const ticksPerSecond = 100;

/** What a sandbox costs that does nothing. */
export async function idle(): Promise<Row[]> {
  await using server = await startServer({ pool: 0 });
  const from = { endpoint: server.url, token: server.token };
  const sandboxes = await Promise.all(
    Array.from({ length: sandboxCount }, () => Sandbox.create(from)),
  );
  const fresh = [...machineProcesses(server.home).values()];
  const untouched = fresh.map((pid) => memoryMiB(pid).privateMiB);
  for (const sandbox of sandboxes) await sandbox.sh`true`;
  const pids = [...machineProcesses(server.home).values()];
  const before = pids.map((pid) => processorTicks(pid));
  await new Promise((resolve) => setTimeout(resolve, watchMs));
  const shares = pids.map((pid, i) => {
    const seconds = (processorTicks(pid) - (before[i] ?? 0)) / ticksPerSecond;
    return (100 * seconds) / (watchMs / 1_000);
  });
  const memory = pids.map((pid) => memoryMiB(pid));
  await Promise.all(sandboxes.map((sandbox) => sandbox.close()));
  return [
    row("private memory, never used", "MiB", untouched),
    row(
      "private memory, after one command",
      "MiB",
      memory.map(({ privateMiB }) => privateMiB),
    ),
    row(
      "proportional memory, after one command",
      "MiB",
      memory.map(({ pssMiB }) => pssMiB),
    ),
    row("processor while idle", "%", shares),
  ];
}

function memoryMiB(pid: number): { privateMiB: number; pssMiB: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1]);
  return {
    privateMiB: (kib("Private_Dirty") + kib("Private_Clean")) / 1024,
    pssMiB: kib("Pss") / 1024,
  };
}

function processorTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
