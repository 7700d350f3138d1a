import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";

import type { Row } from "./stats.ts";

const results = new URL("../results/", import.meta.url).pathname;

/** Prints the rows as a table and keeps them in `bench/results/<name>.json`. */
export function report(name: string, home: string, rows: readonly Row[]): void {
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(52) : cell.padStart(9))).join(" ");
  const table = [
    line([name, "unit", "n", "p50", "p95", "p99", "min", "max"]),
    ...rows.map(({ name: what, unit, summary: { n, p50, p95, p99, min, max } }) =>
      line([what, unit, ...[n, p50, p95, p99, min, max].map(String)]),
    ),
  ];
  process.stdout.write(`${table.join("\n")}\n\n`);
  mkdirSync(results, { recursive: true });
  const text = JSON.stringify({ name, ...surroundings(home), rows }, undefined, 2);
  writeFileSync(join(results, `${name}.json`), `${text}\n`);
}

/** Where and when the figures were taken: without it they mean nothing. */
function surroundings(home: string): object {
  return {
    date: new Date().toISOString(),
    processor: cpus()[0]?.model ?? "unknown",
    processors: cpus().length,
    kernel: release(),
    node: process.version,
    qemu: execFileSync("qemu-system-x86_64", ["--version"], { encoding: "utf8" }).split("\n")[0],
    acceleration: JSON.parse(readFileSync(join(home, "acceleration.json"), "utf8")).kind as string,
    commit: execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim(),
  };
}
