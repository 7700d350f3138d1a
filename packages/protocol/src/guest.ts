import { z } from "zod";

/**
 * The methods of the guest protocol, as the host sees them: the types of the parameters, and the
 * schemas that everything a guest answers is checked against. The specification is
 * `docs/design/0002-guest-protocol.md`.
 */

export const GuestFailure = z.object({
  errno: z.string().max(32).nullable(),
  message: z.string().max(16_384),
});
export type GuestFailure = z.infer<typeof GuestFailure>;

/** A call that the guest refused, or that failed there. */
export class GuestError extends Error {
  override readonly name = "GuestError";
  /** `"ENOENT"` and so on, or null when no system call failed. */
  readonly errno: string | null;

  constructor(failure: GuestFailure, options?: ErrorOptions) {
    super(failure.message, options);
    this.errno = failure.errno;
  }
}

/** What a guest says of itself; `nonce` repeats the mark of the host's greeting. */
export const Hello = z.object({
  version: z.literal(1),
  boot: z.string().max(128),
  nonce: z.string().max(64).optional(),
});

export const OomVerdict = z.enum(["high-confidence", "low-confidence"]).nullable();

/** How a process ended. `code` is 128 + the signal's number when a signal ended it. */
export const Exit = z.object({
  code: z.int().min(0).max(511),
  signal: z.string().max(32).nullable(),
  oom: OomVerdict,
});
export type Exit = z.infer<typeof Exit>;

export const FileKind = z.enum(["file", "directory", "symlink", "block", "char", "fifo", "socket"]);
export type FileKind = z.infer<typeof FileKind>;

export const FileStat = z.object({
  kind: FileKind,
  size: z.number(),
  mtimeMs: z.number(),
  atimeMs: z.number(),
  ctimeMs: z.number(),
  birthtimeMs: z.number().nullable(),
  mode: z.number(),
  dev: z.number(),
  ino: z.number(),
  nlink: z.number(),
  uid: z.number(),
  gid: z.number(),
  rdev: z.number(),
  blksize: z.number(),
  blocks: z.number(),
});
export type FileStat = z.infer<typeof FileStat>;

export const DirectoryEntry = z.object({ name: z.string().max(1024), kind: FileKind });
export type DirectoryEntry = z.infer<typeof DirectoryEntry>;

const nothing = z.object({});
const path = z.string().max(65_536);
const environment = z.record(z.string(), z.string());

export const GuestStats = z.object({
  memory: z.object({ totalBytes: z.number(), availableBytes: z.number() }),
  processes: z.number(),
  loadAverage1: z.number(),
  disk: z.object({ totalBytes: z.number(), freeBytes: z.number() }),
});
export type GuestStats = z.infer<typeof GuestStats>;

/** An open file of the guest, by number. Handles end with the host's connection to the guest. */
const handle = z.object({ handle: z.int().min(0) });

/** What each call answers. Calls with streams answer when the stream is open. */
export const guestResults = {
  ping: nothing,
  prepare: nothing,
  configure: nothing,
  spawn: z.object({ pid: z.int().min(1) }),
  wait: Exit,
  kill: nothing,
  resize: nothing,
  "env.get": z.string().nullable(),
  "env.set": nothing,
  "env.delete": nothing,
  "env.all": environment,
  dial: nothing,
  listen: z.object({ port: z.int().min(1).max(65_535).nullable() }),
  accept: z.object({
    address: z.string().max(64).nullable(),
    port: z.int().min(0).max(65_535).nullable(),
  }),
  attach: nothing,
  "standby.take": z.object({ pid: z.int().min(1).nullable() }),
  "editor.mount": nothing,
  stats: GuestStats,
  "fs.stat": FileStat,
  "fs.lstat": FileStat,
  "fs.read": nothing,
  "fs.write": nothing,
  "fs.readDir": nothing,
  "fs.mkdir": nothing,
  "fs.remove": nothing,
  "fs.rename": nothing,
  "fs.copy": nothing,
  "fs.chmod": nothing,
  "fs.chown": nothing,
  "fs.link": nothing,
  "fs.symlink": nothing,
  "fs.readLink": path,
  "fs.realPath": path,
  "fs.makeTemp": path,
  "fs.truncate": nothing,
  "fs.utime": nothing,
  "fs.umask": z.int().min(0).max(0o7777),
  "fs.open": handle,
  "file.read": nothing,
  "file.write": nothing,
  "file.seek": z.number().min(0),
  "file.stat": FileStat,
  "file.sync": nothing,
  "file.truncate": nothing,
  "file.utime": nothing,
  "file.lock": nothing,
  "file.unlock": nothing,
  "file.close": nothing,
} as const satisfies Record<string, z.ZodType>;

export type GuestMethod = keyof typeof guestResults;
export type GuestResult<M extends GuestMethod> = z.infer<(typeof guestResults)[M]>;

/** EVENTs of a channel: an object with one of these keys. */
export const GuestEvent = z.union([
  z.object({ exit: Exit }),
  z.object({ error: GuestFailure }),
  z.object({ done: z.object({ bytes: z.number().min(0) }) }),
  z.object({ inputClosed: z.literal(true) }),
]);
export type GuestEvent = z.infer<typeof GuestEvent>;

export interface SpawnParams {
  readonly command: string;
  readonly args?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly clearEnv?: boolean | undefined;
  readonly cwd?: string | undefined;
  readonly stdin: "piped" | "null";
  readonly stdout: "piped" | "null";
  readonly stderr: "piped" | "null";
  readonly pty?:
    | { readonly rows: number; readonly cols: number; readonly term?: string | undefined }
    | undefined;
  readonly user?: "sandbox" | "root" | undefined;
  /** Keeps the process under this name for `standby.take`, once, after the host has changed. */
  readonly standby?: string | undefined;
  /** Gives it a socket as its descriptor 3, which is dialled by the process. */
  readonly channel?: boolean | undefined;
}

export interface WriteFileParams {
  readonly path: string;
  readonly create?: boolean | undefined;
  readonly createNew?: boolean | undefined;
  readonly append?: boolean | undefined;
  readonly mode?: number | undefined;
}

export type DialTarget =
  | { readonly tcp: { readonly host: string; readonly port: number } }
  | {
      readonly unix: string;
      /** Waits until the socket is there and somebody listens; has no deadline of its own. */
      readonly patient?: boolean | undefined;
    }
  /** The descriptor 3 of a process that was spawned with `channel`. */
  | { readonly process: number };

/** Where the guest listens: an address of the machine, `localhost`, or `""` for all; port 0 is any. */
export type ListenTarget =
  | { readonly tcp: { readonly host: string; readonly port: number } }
  | { readonly unix: string };

export interface OpenParams {
  readonly path: string;
  readonly read?: boolean | undefined;
  readonly write?: boolean | undefined;
  readonly append?: boolean | undefined;
  readonly truncate?: boolean | undefined;
  readonly create?: boolean | undefined;
  readonly createNew?: boolean | undefined;
  readonly mode?: number | undefined;
}

interface OnHandle {
  readonly handle: number;
}

/** Parameters of the calls that have no streams. */
export interface GuestParams {
  readonly ping: Record<string, never>;
  readonly prepare: Record<string, never>;
  readonly configure: {
    readonly hostname: string;
    readonly machineId: string;
    readonly wallClockMs: number;
    readonly entropy: string;
    readonly env?: Readonly<Record<string, string>>;
  };
  readonly wait: { readonly pid: number };
  readonly kill: { readonly pid: number; readonly signal: string };
  readonly resize: { readonly pid: number; readonly rows: number; readonly cols: number };
  readonly "env.get": { readonly key: string };
  readonly "env.set": { readonly key: string; readonly value: string };
  readonly "env.delete": { readonly key: string };
  readonly "env.all": Record<string, never>;
  readonly stats: Record<string, never>;
  readonly "fs.stat": { readonly path: string };
  readonly "fs.lstat": { readonly path: string };
  readonly "fs.mkdir": {
    readonly path: string;
    readonly recursive?: boolean | undefined;
    readonly mode?: number | undefined;
  };
  readonly "fs.remove": { readonly path: string; readonly recursive?: boolean | undefined };
  readonly "fs.rename": { readonly from: string; readonly to: string };
  readonly "fs.copy": { readonly from: string; readonly to: string };
  readonly "fs.chmod": { readonly path: string; readonly mode: number };
  readonly "fs.chown": {
    readonly path: string;
    readonly uid?: number | null;
    readonly gid?: number | null;
  };
  readonly "fs.link": { readonly from: string; readonly to: string };
  readonly "fs.symlink": { readonly target: string; readonly path: string };
  readonly "fs.readLink": { readonly path: string };
  readonly "fs.realPath": { readonly path: string };
  readonly "fs.makeTemp": {
    readonly dir?: string | undefined;
    readonly prefix?: string | undefined;
    readonly suffix?: string | undefined;
    readonly directory: boolean;
  };
  readonly "fs.truncate": { readonly path: string; readonly length?: number | undefined };
  readonly "fs.utime": {
    readonly path: string;
    readonly atimeMs: number;
    readonly mtimeMs: number;
  };
  readonly "fs.umask": { readonly mask?: number | undefined };
  readonly "standby.take": { readonly name: string };
  /** Mounts the disk with the editor on `/.skerry/editor`, unless it is; the host has filled it before. */
  readonly "editor.mount": Record<string, never>;
  readonly "fs.open": OpenParams;
  readonly "file.seek": OnHandle & { readonly offset: number; readonly whence: 0 | 1 | 2 };
  readonly "file.stat": OnHandle;
  readonly "file.sync": OnHandle & { readonly dataOnly?: boolean | undefined };
  readonly "file.truncate": OnHandle & { readonly length?: number | undefined };
  readonly "file.utime": OnHandle & { readonly atimeMs: number; readonly mtimeMs: number };
  readonly "file.lock": OnHandle & { readonly exclusive: boolean };
  readonly "file.unlock": OnHandle;
  readonly "file.close": OnHandle;
}
export type GuestCall = keyof GuestParams;
