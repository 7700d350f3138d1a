/** What can go wrong with an image. The row is the code; the text says what it means to a caller. */
export const imageErrorCodes = {
  unknown_image: "no recipe has this name",
  tool_missing: "a program that the build needs is not installed",
  tool_failed: "a program of the build failed or took too long",
  download_failed: "a package could not be fetched or is not the pinned one",
  no_space: "the disk is full",
  not_permitted: "the build needs root",
  bad_kernel: "the kernel package does not hold a kernel that can be booted directly",
  bad_guest: "the guest binary cannot be PID 1 of a machine",
  bad_recipe: "the recipe is not readable",
  in_use: "the image is in use",
} as const;

export type ImageErrorCode = keyof typeof imageErrorCodes;

/**
 * A failure of the image pipeline. `message` is one line: what failed and what to do. `detail` has
 * the last lines that the failing program printed, or nothing.
 */
export class ImageError extends Error {
  override readonly name = "ImageError";
  readonly code: ImageErrorCode;
  readonly detail: string;

  constructor(
    code: ImageErrorCode,
    message: string,
    options: { readonly detail?: string; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.detail = options.detail ?? "";
  }
}

/** Whether this is a failed system call with this code, `ENOENT` for example. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
