import { SandboxError, toSandboxError } from "@skerry/protocol";

import type { SandboxState } from "./lifecycle.ts";

/**
 * What to tell the caller of a creation that failed.
 *
 * @param error What failed.
 * @param state What became of the sandbox.
 * @param deadline The end of the caller's patience.
 */
export function creationError(
  error: unknown,
  state: SandboxState,
  deadline: AbortSignal,
): SandboxError {
  const reason = state.kind === "stopped" ? state.reason : "failed";
  if (reason === "shutdown") return new SandboxError("SHUTTING_DOWN", undefined, { cause: error });
  if (reason === "crashed") {
    return new SandboxError("HOST_UNAVAILABLE", "the machine failed at once", { cause: error });
  }
  if (error instanceof SandboxError) return error;
  if (deadline.aborted) return new SandboxError("BOOT_TIMEOUT", undefined, { cause: error });
  return isAbort(error) ? new SandboxError("CANCELLED") : toSandboxError(error);
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}
