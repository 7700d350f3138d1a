import { ImageError } from "../../packages/host/src/images/index.ts";

/**
 * A step of the set-up that failed. The first line of the message says what failed and what to do; lines after it
 * are the last ones of the program that failed.
 */
export class SetUpError extends Error {
  override readonly name = "SetUpError";

  constructor(
    message: string,
    options: { readonly detail?: string; readonly cause?: unknown } = {},
  ) {
    const detail = (options.detail ?? "").trimEnd();
    const indented = detail === "" ? "" : `\n${detail.replace(/^/gm, "  | ")}`;
    super(`${message}${indented}`, { cause: options.cause });
  }
}

/** The failure as the set-up reports it; anything that is not of a known kind stays what it is. */
export function asSetUpError(error: unknown): unknown {
  if (!(error instanceof ImageError)) return error;
  return new SetUpError(error.message, { detail: error.detail, cause: error });
}
