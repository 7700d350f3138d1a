import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

import { runTool, type Progress } from "../../packages/host/src/images/index.ts";
import { isThere } from "./command.ts";
import { SetUpError } from "./failure.ts";
import { ensureRust, type Rust, type RustVersion } from "./rust.ts";

/** The native programs of this repository, built. */
export interface NativePrograms {
  /** Holds every program by its name. Never changes once it is there. */
  readonly directory: string;
  /** PID 1 of each machine. */
  readonly guestBinary: string;
}

/** Options of {@link ensureNative}. */
export interface NativeOptions {
  /** SKERRY_HOME. */
  readonly home: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

const sources = fileURLToPath(new URL("../../native", import.meta.url));
const step = "native programs";
const guest = "skerry-guest";
const namePattern = /^skerry-[a-z]+$/;
const keptBuilds = 3;
const buildDeadlineMs = 1_800_000;

/** Where the programs of the sources as they are now belong, and whether they are there. */
export async function findNative(
  home: string,
): Promise<NativePrograms & { readonly isBuilt: boolean }> {
  const directory = join(home, "build", `native-${await hashSources(sources)}`);
  const guestBinary = join(directory, guest);
  return { directory, guestBinary, isBuilt: await isThere(guestBinary) };
}

/**
 * Builds the native programs when their sources have changed, with a Rust that is found or installed.
 * @throws SetUpError, ImageError
 */
export async function ensureNative({
  home,
  progress,
  signal,
}: NativeOptions): Promise<NativePrograms> {
  const programs = await findNative(home);
  if (programs.isBuilt) return programs;
  const builds = join(home, "build");
  const minimum = await minimumRust(sources);
  const rust = await ensureRust({ directory: join(builds, "rust"), minimum, progress, signal });
  progress({ step, detail: rust.what });
  const output = await build(rust, { target: join(builds, "target"), progress, signal });
  await keep(output, programs.directory);
  await prune(builds, programs.directory);
  progress({ step, done: true });
  return programs;
}

/** Hash of every file below a directory but what cargo makes: path and content, 32 hex digits. */
export async function hashSources(directory: string): Promise<string> {
  const hash = createHash("sha256");
  for (const path of await filesBelow(directory)) {
    const content = await readFile(path);
    hash.update(`${relative(directory, path)}\n${content.length}\n`).update(content);
  }
  return hash.digest("hex").slice(0, 32);
}

/** The highest `rust-version` of the crates below a directory; [1, 0] when none names one. */
export async function minimumRust(directory: string): Promise<RustVersion> {
  let highest: RustVersion = [1, 0];
  for (const path of await filesBelow(directory)) {
    if (!path.endsWith("/Cargo.toml")) continue;
    const found = /^rust-version = "(\d+)\.(\d+)/m.exec(await readFile(path, "utf8"));
    const minor = Number(found?.[2] ?? 0);
    if (minor > highest[1]) highest = [1, minor];
  }
  return highest;
}

interface Build extends Omit<NativeOptions, "home"> {
  /** Where cargo keeps what it has compiled. */
  readonly target: string;
}

/** Returns the directory with the programs. */
async function build(rust: Rust, { target, progress, signal }: Build): Promise<string> {
  const args = ["build", "--release", "--locked", "--target", rust.target, "--target-dir", target];
  await runTool(rust.cargo, args, {
    doing: "build the native programs",
    hint: "see what cargo says below; it fetches crates from crates.io",
    cwd: sources,
    env: rust.env,
    deadlineMs: buildDeadlineMs,
    onLine: (line) => {
      const doing = /^\s*((Compiling|Downloaded|Finished) .*)/.exec(line)?.[1];
      if (doing !== undefined) progress({ step, detail: doing });
    },
    signal,
  });
  return join(target, rust.target, "release");
}

/** Copies the programs to a directory that appears as a whole. */
async function keep(output: string, directory: string): Promise<void> {
  const names = (await readdir(output)).filter((name) => namePattern.test(name));
  if (!names.includes(guest))
    throw new SetUpError(`cargo built no ${guest}; see native/Cargo.toml`);
  const temporary = `${directory}.${process.pid}`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  for (const name of names) {
    await copyFile(join(output, name), join(temporary, name));
    await chmod(join(temporary, name), 0o755);
  }
  // One that is there without a guest is the rest of an older format.
  await rm(directory, { recursive: true, force: true });
  await rename(temporary, directory);
}

/** Removes all but the latest builds: a running server stands on one of them. */
async function prune(builds: string, current: string): Promise<void> {
  const names = (await readdir(builds)).filter((name) => name.startsWith("native-"));
  const others = names.map((name) => join(builds, name)).filter((path) => path !== current);
  const dated = await Promise.all(
    others.map(async (path) => ({ path, modifiedMs: (await stat(path)).mtimeMs })),
  );
  const old = dated.toSorted((a, b) => b.modifiedMs - a.modifiedMs).slice(keptBuilds - 1);
  for (const { path } of old) await rm(path, { recursive: true, force: true });
}

async function filesBelow(directory: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory() && entry.name !== "target") found.push(...(await filesBelow(path)));
    else if (entry.isFile()) found.push(path);
  }
  return found.toSorted();
}
