import { z } from "zod";

/** A method: what goes in, and the value of `{"ok": …}` that comes back. */
export interface SandboxMethod {
  readonly params: z.ZodType;
  readonly result: z.ZodType;
}

/** Methods by their names. */
export type SandboxMethods = Readonly<Record<string, SandboxMethod>>;

/** What a client may leave out, or send as `null`. */
export const optional = <T extends z.ZodType>(schema: T) =>
  schema
    .nullish()
    .transform((value) => (value === null || value === undefined ? undefined : value));

/** A path as it comes from a client: text without NUL, which no file system call can carry. */
export const Path = z
  .string()
  .min(1, "a path cannot be empty")
  .max(65_536)
  .refine((path) => !path.includes("\0"), "a path cannot contain NUL");

/** Bytes in base64. */
export const Bytes = z.base64();
/** A time as we send it. */
export const Time = z.iso.datetime();
/**
 * A time as it comes from a client, in ms: ISO 8601 from the JavaScript client, seconds since 1970
 * from the Python one.
 */
export const GivenTime = z.union([
  z.iso.datetime({ offset: true, local: true }).transform((text) => Date.parse(text)),
  z
    .number()
    .min(-8.64e12)
    .max(8.64e12)
    .transform((seconds) => seconds * 1000),
]);
/** The result of a method that has none. */
export const nothing = z.null();
/** By which the method `abort` ends a call. */
export const abortId = optional(z.number());
/** A process that this connection, or another of its sandbox, has started. */
export const pid = z.int().min(0);
/** A stream of bytes; see `streams.ts`. */
export const StreamId = z.int().min(0);
/** The permissions of a file. */
export const Mode = z.int().min(0).max(0o7777);
/** Variables by their names. */
export const Environment = z.record(z.string(), z.string());
