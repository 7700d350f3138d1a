import { z } from "zod";

/**
 * An error as the sandbox RPC carries it in `{"error": …}`: the name of the class to throw, the
 * errno, and what else an error may have (`@deno/sandbox` 0.13.2, `schema.js`, `errorObjectSchema`).
 */
export interface ThrownError {
  readonly constructorName: string;
  readonly message: string;
  readonly code: string | null;
  readonly stack: string | null;
  readonly cause: ThrownError | null;
  readonly name: string | null;
  readonly errors: readonly ThrownError[] | null;
  readonly error: ThrownError | null;
  readonly suppressed: ThrownError | null;
}

/** Reads an error of a peer, which may leave out everything but the first two fields. */
export const ThrownError: z.ZodType<ThrownError> = z.lazy(() =>
  z.object({
    constructorName: z.string(),
    message: z.string(),
    code: z.string().nullable().default(null),
    stack: z.string().nullable().default(null),
    cause: ThrownError.nullable().default(null),
    name: z.string().nullable().default(null),
    errors: z.array(ThrownError).nullable().default(null),
    error: ThrownError.nullable().default(null),
    suppressed: ThrownError.nullable().default(null),
  }),
) as z.ZodType<ThrownError>; // the recursion hides the defaults from the inferred type

export function thrown(constructorName: string, message: string, code: string | null): ThrownError {
  return {
    constructorName,
    message,
    code,
    stack: null,
    cause: null,
    name: constructorName,
    errors: null,
    error: null,
    suppressed: null,
  };
}

/** Deno's class for each errno that has one: Rust's `io::ErrorKind` of it, as deno_core names the kinds. */
const classOfErrno: Readonly<Record<string, string>> = {
  ENOENT: "NotFound",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EEXIST: "AlreadyExists",
  ENOTDIR: "NotADirectory",
  EISDIR: "IsADirectory",
  ELOOP: "FilesystemLoop",
  EBUSY: "Busy",
  ETXTBSY: "Busy",
  EINTR: "Interrupted",
  EAGAIN: "WouldBlock",
  EPIPE: "BrokenPipe",
  EBADF: "BadResource",
  EADDRINUSE: "AddrInUse",
  EADDRNOTAVAIL: "AddrNotAvailable",
  ECONNREFUSED: "ConnectionRefused",
  ECONNRESET: "ConnectionReset",
  ECONNABORTED: "ConnectionAborted",
  ENOTCONN: "NotConnected",
  ENETUNREACH: "NetworkUnreachable",
  EHOSTUNREACH: "NetworkUnreachable",
  ETIMEDOUT: "TimedOut",
  ENOTSUP: "NotSupported",
  EOPNOTSUPP: "NotSupported",
  ENOSYS: "NotSupported",
  EINVAL: "TypeError",
};

/** The class that a client throws for a failed system call: Deno's where it has one, else `Error`. */
export function classForErrno(errno: string | null): string {
  if (errno === null) return "TypeError";
  return classOfErrno[errno] ?? "Error";
}
