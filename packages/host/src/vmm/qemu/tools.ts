import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { SandboxError } from "@skerry/protocol";

const run = promisify(execFile);
const toolMs = 30_000;

/**
 * Runs one of QEMU's tools and returns what it printed.
 *
 * @throws {SandboxError} `HOST_UNAVAILABLE` when the tool is missing or fails, `HOST_DISK_FULL` when
 * that is why.
 */
export async function runTool(program: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run(program, args, { timeout: toolMs, maxBuffer: 1_048_576 });
    return stdout;
  } catch (cause) {
    const full = String((cause as { stderr?: unknown }).stderr).includes("No space left");
    throw new SandboxError(full ? "HOST_DISK_FULL" : "HOST_UNAVAILABLE", undefined, { cause });
  }
}
