import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

import { runTool, type ToolOptions } from "../../packages/host/src/images/index.ts";

/** Where programs are looked for: PATH, what is only root's, and where rustup puts its own. */
function searchPath(): readonly string[] {
  const own = (process.env["PATH"] ?? "").split(":").filter(Boolean);
  return [...own, "/usr/local/sbin", "/usr/sbin", "/sbin", join(homedir(), ".cargo/bin")];
}

/** The first place where a program is; null when it is nowhere. A name with a slash is looked for as it is. */
export async function findProgram(name: string): Promise<string | null> {
  const candidates = name.includes("/")
    ? [name]
    : searchPath().map((directory) => join(directory, name));
  for (const candidate of candidates) {
    if (await canAccess(candidate, constants.X_OK)) return candidate;
  }
  return null;
}

/** Whether a file is there. */
export async function isThere(path: string): Promise<boolean> {
  return canAccess(path, constants.F_OK);
}

/** Runs a program as root: as it is, or through `sudo` where that asks for no password. */
export async function runAsRoot(
  tool: string,
  args: readonly string[],
  options: ToolOptions,
): Promise<Buffer> {
  if (process.geteuid?.() === 0) return runTool(tool, args, options);
  const { env = {}, ...rest } = options;
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return runTool("sudo", ["-n", "env", ...settings, tool, ...args], rest);
}

/** Whether {@link runAsRoot} can work here. */
export async function canBecomeRoot(signal: AbortSignal): Promise<boolean> {
  if (process.geteuid?.() === 0) return true;
  if ((await findProgram("sudo")) === null) return false;
  try {
    await runTool("sudo", ["-n", "true"], { doing: "ask sudo", signal });
    return true;
  } catch {
    // It wants a password, or does not know this user.
    signal.throwIfAborted();
    return false;
  }
}

async function canAccess(path: string, mode: number): Promise<boolean> {
  try {
    await access(path, mode);
    return true;
  } catch {
    // Not there, or not for this user: the same to who asks.
    return false;
  }
}
