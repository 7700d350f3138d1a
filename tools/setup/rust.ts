import { chmod, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";

import { ImageError, runTool, type Progress } from "../../packages/host/src/images/index.ts";
import { findProgram, isThere } from "./command.ts";
import { debianVersion, installPackages } from "./debian.ts";
import { SetUpError } from "./failure.ts";

/** A Rust that builds static programs. */
export interface Rust {
  /** Absolute path. */
  readonly cargo: string;
  /** Set for cargo. */
  readonly env: Readonly<Record<string, string>>;
  /** The target triple. */
  readonly target: string;
  /** Which Rust this is, for the reader: "rustc 1.95.0, musl". */
  readonly what: string;
}

/** Options of {@link ensureRust}. */
export interface RustOptions {
  /** A Rust of our own is installed below this. */
  readonly directory: string;
  /** The oldest that will do: [1, 85]. */
  readonly minimum: RustVersion;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** [major, minor] */
export type RustVersion = readonly [number, number];

const musl = "x86_64-unknown-linux-musl";
const gnu = "x86_64-unknown-linux-gnu";
const step = "Rust toolchain";
const rustupUrl = `https://static.rust-lang.org/rustup/dist/${gnu}/rustup-init`;

/**
 * Finds a Rust, or installs one: the user's, ours from an earlier run, rustup's, Debian's. With the musl target where that
 * can be had, else with a static glibc.
 * @throws SetUpError when there is none that is new enough
 */
export async function ensureRust(options: RustOptions): Promise<Rust> {
  const tooOld: string[] = [];
  for (const find of [usersRust, ownRust, rustupRust, debianRust]) {
    const found = await find(options);
    if (found === null) continue;
    const rust = await examine(found, options);
    if (rust !== null && isAtLeast(rust.version, options.minimum)) {
      options.progress({ step, done: true });
      return rust;
    }
    if (rust !== null) tooOld.push(rust.what);
  }
  const wanted = options.minimum.join(".");
  const seen = tooOld.length === 0 ? "none could be installed" : `too old: ${tooOld.join(", ")}`;
  throw new SetUpError(
    `Rust ${wanted} or newer is needed (${seen}); install it with rustup and try again`,
  );
}

/** The version in what `rustc --version` prints; null when it is none. */
export function parseRustVersion(text: string): RustVersion | null {
  const found = /^rustc (\d+)\.(\d+)/.exec(text);
  return found === null ? null : [Number(found[1]), Number(found[2])];
}

/** Whether a version is not older than another. */
export function isAtLeast(
  [major, minor]: RustVersion,
  [leastMajor, leastMinor]: RustVersion,
): boolean {
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}

interface Found {
  readonly cargo: string;
  readonly env: Readonly<Record<string, string>>;
}

async function usersRust(): Promise<Found | null> {
  const cargo = await findProgram("cargo");
  return cargo === null ? null : { cargo, env: {} };
}

async function ownRust({ directory }: RustOptions): Promise<Found | null> {
  const cargo = join(directory, "cargo/bin/cargo");
  return (await isThere(cargo)) ? { cargo, env: ownEnvironment(directory) } : null;
}

async function rustupRust(options: RustOptions): Promise<Found | null> {
  const { directory, progress, signal } = options;
  const installer = join(directory, "rustup-init");
  progress({ step, detail: "installing with rustup" });
  try {
    await mkdir(directory, { recursive: true });
    const limits = ["--connect-timeout", "15", "--retry", "2"];
    const fetch = [
      "--fail",
      "--silent",
      "--show-error",
      "--location",
      ...limits,
      "--output",
      installer,
    ];
    await runTool("curl", [...fetch, rustupUrl], { doing: "download rustup", signal });
    await chmod(installer, 0o755);
    const choice = ["--profile", "minimal", "--default-toolchain", "stable", "--target", musl];
    const doing = "install Rust with rustup";
    const env = ownEnvironment(directory);
    await runTool(installer, ["-y", "--no-modify-path", ...choice], { doing, env, signal });
    return await ownRust(options);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    // Not every host reaches rustup; Debian's is tried next.
    progress({ step, detail: error.message });
    return null;
  }
}

async function debianRust({ progress, signal }: RustOptions): Promise<Found | null> {
  // Debian 12's own rustc is from 2022; the one it builds browsers with is kept current.
  const names = (await debianVersion()) === 12 ? ["cargo-web", "rustc-web"] : ["cargo", "rustc"];
  try {
    await installPackages(names, { step, progress, signal });
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    progress({ step, detail: error.message });
  }
  const cargo = "/usr/bin/cargo";
  return (await isThere(cargo)) ? { cargo, env: {} } : null;
}

async function examine(
  { cargo, env }: Found,
  { progress, signal }: RustOptions,
): Promise<(Rust & { readonly version: RustVersion }) | null> {
  const rustc = join(dirname(cargo), "rustc");
  try {
    const text = await runTool(rustc, ["--version"], {
      doing: "ask rustc its version",
      env,
      signal,
    });
    const version = parseRustVersion(text.toString());
    if (version === null) return null;
    const hasMusl = await ensureMusl({ rustc, env, progress, signal });
    const name = `rustc ${version.join(".")}`;
    if (hasMusl) return { cargo, env, target: musl, what: `${name}, musl`, version };
    const flags = {
      CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS: "-C target-feature=+crt-static",
    };
    return {
      cargo,
      env: { ...env, ...flags },
      target: gnu,
      what: `${name}, static glibc`,
      version,
    };
  } catch (error) {
    // Such as rustup without a toolchain: no Rust that could be used.
    if (error instanceof ImageError) return null;
    throw error;
  }
}

interface Examined extends Pick<RustOptions, "progress" | "signal"> {
  readonly rustc: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Whether the musl target is there, after rustup was asked for it. */
async function ensureMusl({ rustc, env, progress, signal }: Examined): Promise<boolean> {
  const doing = "find Rust's libraries";
  const output = await runTool(rustc, ["--print", "sysroot"], { doing, env, signal });
  const library = join(output.toString().trim(), "lib/rustlib", musl, "lib");
  if (await isThere(library)) return true;
  const rustup = join(dirname(rustc), "rustup");
  if (!(await isThere(rustup))) return false;
  progress({ step, detail: `adding ${musl}` });
  try {
    await runTool(rustup, ["target", "add", musl], { doing: `add ${musl} to Rust`, env, signal });
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    // A static glibc does as well.
  }
  return isThere(library);
}

function ownEnvironment(directory: string): Readonly<Record<string, string>> {
  return { CARGO_HOME: join(directory, "cargo"), RUSTUP_HOME: join(directory, "rustup") };
}
