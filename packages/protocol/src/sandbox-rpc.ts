import { z } from "zod";

import { OomVerdict } from "./guest.ts";

/**
 * The methods of the sandbox socket, in wire form: bytes are base64, times ISO 8601, and `null`
 * stands for what is left out (the official client encodes `undefined` so). From this table come
 * the server's handlers, the client's types and `contract.json`.
 */

/** A method: what goes in, and the value of `{"ok": …}` that comes back. */
interface SandboxMethod {
  readonly params: z.ZodType;
  readonly result: z.ZodType;
}

const optional = <T extends z.ZodType>(schema: T) =>
  schema
    .nullish()
    .transform((value) => (value === null || value === undefined ? undefined : value));

/** A path as it comes from a client: text without NUL, which no file system call can carry. */
export const Path = z
  .string()
  .min(1, "a path cannot be empty")
  .max(65_536)
  .refine((path) => !path.includes("\0"), "a path cannot contain NUL");

const Bytes = z.base64();
const Time = z.iso.datetime();
const nothing = z.null();
const abortId = optional(z.number());
const pid = z.int().min(0);
const StreamId = z.int().min(0);
const Mode = z.int().min(0).max(0o7777);

const FileInfo = z.object({
  isFile: z.boolean(),
  isDirectory: z.boolean(),
  isSymlink: z.boolean(),
  size: z.number(),
  mtime: Time,
  atime: Time,
  birthtime: Time,
  ctime: Time,
  mode: z.number(),
  dev: z.number(),
  ino: z.number(),
  nlink: z.number(),
  uid: z.number(),
  gid: z.number(),
  rdev: z.number(),
  blksize: z.number(),
  blocks: z.number(),
  isBlockDevice: z.boolean(),
  isCharDevice: z.boolean(),
  isFifo: z.boolean(),
  isSocket: z.boolean(),
});
export type FileInfo = z.infer<typeof FileInfo>;

const DirEntry = z.object({
  name: z.string(),
  isFile: z.boolean(),
  isDirectory: z.boolean(),
  isSymlink: z.boolean(),
});
export type DirEntry = z.infer<typeof DirEntry>;

const WriteOptions = optional(
  z.object({
    append: optional(z.boolean()),
    create: optional(z.boolean()),
    createNew: optional(z.boolean()),
    mode: optional(Mode),
  }),
);

const write = <T extends z.ZodType>(content: T) =>
  z.object({
    path: Path,
    abortId,
    options: WriteOptions,
    content: optional(content),
    contentStreamId: optional(StreamId),
  });

const TempOptions = z.object({
  options: optional(
    z.object({
      dir: optional(Path),
      prefix: optional(z.string().max(255)),
      suffix: optional(z.string().max(255)),
    }),
  ),
});

const Environment = z.record(z.string(), z.string());

const Spawned = z.object({
  pid: z.number(),
  stdoutStreamId: z.number().nullable(),
  stderrStreamId: z.number().nullable(),
});

export const sandboxMethods = {
  abort: { params: z.object({ abortId: z.number() }), result: nothing },

  readFile: { params: z.object({ path: Path, abortId }), result: Bytes },
  readTextFile: { params: z.object({ path: Path, abortId }), result: z.string() },
  writeFile: { params: write(Bytes), result: nothing },
  writeTextFile: { params: write(z.string()), result: nothing },
  readDir: { params: z.object({ path: Path }), result: z.array(DirEntry) },
  mkdir: {
    params: z.object({
      path: Path,
      options: optional(z.object({ recursive: optional(z.boolean()), mode: optional(Mode) })),
    }),
    result: nothing,
  },
  remove: {
    params: z.object({
      path: Path,
      options: optional(z.object({ recursive: optional(z.boolean()) })),
    }),
    result: nothing,
  },
  rename: { params: z.object({ oldPath: Path, newPath: Path }), result: nothing },
  stat: { params: z.object({ path: Path }), result: FileInfo },
  lstat: { params: z.object({ path: Path }), result: FileInfo },
  chmod: { params: z.object({ path: Path, mode: Mode }), result: nothing },
  copyFile: { params: z.object({ fromPath: Path, toPath: Path }), result: nothing },
  realPath: { params: z.object({ path: Path }), result: z.string() },
  makeTempDir: { params: TempOptions, result: z.string() },
  makeTempFile: { params: TempOptions, result: z.string() },
  symlink: {
    params: z.object({
      target: Path,
      path: Path,
      options: optional(z.object({ type: optional(z.enum(["file", "dir", "junction"])) })),
    }),
    result: nothing,
  },
  readLink: { params: z.object({ path: Path }), result: z.string() },
  truncate: {
    params: z.object({ name: Path, length: optional(z.number().min(0)) }),
    result: nothing,
  },

  spawn: {
    params: z.object({
      command: Path,
      args: optional(z.array(z.string())),
      env: optional(Environment),
      clearEnv: optional(z.boolean()),
      cwd: optional(Path),
      stdinStreamId: optional(StreamId),
      stdout: z.enum(["piped", "null"]),
      stderr: z.enum(["piped", "null"]),
    }),
    result: Spawned,
  },
  processWait: {
    params: z.object({ pid, vscode: optional(z.boolean()) }),
    result: z.object({
      success: z.boolean(),
      code: z.number(),
      signal: z.string().nullable(),
      oom: OomVerdict,
    }),
  },
  processKill: {
    params: z.object({
      pid,
      signal: optional(z.string().max(32)),
      vscode: optional(z.boolean()),
    }),
    result: nothing,
  },

  envGet: { params: z.object({ key: z.string() }), result: z.string().optional() },
  envSet: { params: z.object({ key: z.string(), value: z.string() }), result: nothing },
  envToObject: { params: z.object({}), result: Environment },
  envDelete: { params: z.object({ key: z.string() }), result: nothing },
} as const satisfies Record<string, SandboxMethod>;

export type SandboxMethodName = keyof typeof sandboxMethods;
/** Parameters as a handler gets them, parsed. */
export type SandboxParams<M extends SandboxMethodName> = z.output<
  (typeof sandboxMethods)[M]["params"]
>;
/** Parameters as a client sends them. */
export type SandboxInput<M extends SandboxMethodName> = z.input<
  (typeof sandboxMethods)[M]["params"]
>;
export type SandboxResult<M extends SandboxMethodName> = z.output<
  (typeof sandboxMethods)[M]["result"]
>;

/**
 * Methods that the official client has and this server does not have yet. They are answered with
 * an error that says so, not with "Method not found", which clients take for an old server.
 */
export const laterMethods: ReadonlySet<string> = new Set([
  "chown",
  "link",
  "umask",
  "utime",
  "open",
  "create",
  "fileClose",
  "fileLock",
  "fileUnlock",
  "fileRead",
  "fileWrite",
  "fileSeek",
  "fileStat",
  "fileSync",
  "fileSyncData",
  "fileTruncate",
  "fileUtime",
  "walk",
  "expandGlob",
  "spawnDeno",
  "denoHttpWait",
  "spawnDenoRepl",
  "denoReplClose",
  "denoReplEval",
  "denoReplCall",
  "fetch",
  "exposeHttp",
  "vscode",
]);

/**
 * Notifications that carry byte streams, the same in both directions. Stream ids of the server are
 * unique in the whole server, not only in a connection: the official client keeps the streams of
 * all its sandboxes in one map.
 */
export const streamNotifications = {
  "$sandbox.stream.start": z.object({ streamId: StreamId }),
  "$sandbox.stream.enqueue": z.object({ streamId: StreamId, data: Bytes }),
  "$sandbox.stream.end": z.object({ streamId: StreamId }),
  "$sandbox.stream.error": z.object({ streamId: StreamId, error: z.unknown() }),
  "$sandbox.stream.cancel": z.object({ streamId: StreamId, reason: z.unknown() }),
} as const;
export type StreamNotification = keyof typeof streamNotifications;
