import { SkerryError } from "@skerry/sdk";

import type { Output } from "./output.ts";

/** The command line makes no sense. Ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Something that is not as it should be, with what to do about it. Ends with exit code 1. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
  readonly remedy: string | undefined;

  constructor(message: string, remedy?: string, options?: ErrorOptions) {
    super(message, options);
    this.remedy = remedy;
  }
}

/**
 * Says what went wrong and gives the exit code. An error that nobody expects is a bug, and thrown
 * again so that its stack is seen.
 */
export function report(error: unknown, output: Output): number {
  if (error instanceof UsageError) {
    output.error(error.message, "See `skerry --help`, or `skerry VERB --help`.");
    return 2;
  }
  if (error instanceof SkerryError || error instanceof CommandFailure) {
    const { remedy } = error;
    const isSaid = remedy === undefined || error.message.includes(remedy);
    const said = isSaid && remedy !== undefined ? error.message.replace(remedy, "") : error.message;
    output.error(said.trim(), remedy);
    return 1;
  }
  if (isSystemError(error)) {
    output.error(error.message);
    return 1;
  }
  throw error;
}

/** Whether a system call failed: the world is not as it should be, the program is. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error;
}
