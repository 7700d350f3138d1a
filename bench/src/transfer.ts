import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Sandbox } from "@skerry/sdk";

import { startServer } from "../../test/support/server.ts";
import { row, timed, type Row, times } from "./stats.ts";

const smallFiles = 1_000;
const MiB = 1_048_576;
const greatBytes = 1_024 * MiB;

/** Copies between here and a sandbox: many small files, and a great one with what it costs in memory. */
export async function transfer(): Promise<Row[]> {
  await using server = await startServer({ pool: 0 });
  await using sandbox = await Sandbox.create({ endpoint: server.url, token: server.token });
  const directory = mkdtempSync(join(tmpdir(), "skerry-bench-"));
  try {
    return [...(await small(sandbox, directory)), ...(await great(sandbox, directory))];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function small(sandbox: Sandbox, directory: string): Promise<Row[]> {
  const tree = join(directory, "small");
  for (let i = 0; i < smallFiles; i += 1) {
    const place = join(tree, `d${i % 20}`);
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, `f${i}`), `file ${i}\n`.repeat(100));
  }
  const up = await times(3, () => sandbox.upload(tree, "/tmp"), 1);
  const down = await times(3, () => sandbox.download("/tmp/small", join(directory, "back")), 1);
  const rate = (ms: readonly number[]): number[] => ms.map((each) => (smallFiles * 1_000) / each);
  return [
    row(`${smallFiles} small files up`, "files/s", rate(up)),
    row(`${smallFiles} small files down`, "files/s", rate(down)),
  ];
}

async function great(sandbox: Sandbox, directory: string): Promise<Row[]> {
  const file = join(directory, "great");
  await writeGreat(file);
  const memory = watchMemory();
  const up = await timed(() => sandbox.upload(file, "/tmp/great"));
  rmSync(file);
  const down = await timed(() => sandbox.download("/tmp/great", file));
  const mostMiB = memory.stop();
  const rate = (ms: number): number[] => [greatBytes / 1_000 / ms];
  return [
    row("1 GiB up", "MB/s", rate(up)),
    row("1 GiB down", "MB/s", rate(down)),
    row("memory of the client meanwhile, at most", "MiB", [mostMiB]),
  ];
}

/** Not of zeros, which a file system may leave out. */
async function writeGreat(path: string): Promise<void> {
  const chunk = Buffer.from(Array.from({ length: MiB }, (_, i) => (i * 31) % 251));
  await using file = await open(path, "w");
  for (let at = 0; at < greatBytes; at += MiB) await file.write(chunk);
}

function watchMemory(): { stop(): number } {
  let most = 0;
  const look = (): void => {
    most = Math.max(most, process.memoryUsage().rss);
  };
  const timer = setInterval(look, 100);
  return {
    stop: () => {
      clearInterval(timer);
      look();
      return Math.round(most / MiB);
    },
  };
}
