import { z } from "zod";

import { OomVerdict } from "./guest.ts";
import { limits } from "./limits.ts";

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
/** What we send. */
const Time = z.iso.datetime();
/**
 * A time as it comes from a client, in ms: ISO 8601 from the JavaScript client, seconds since 1970
 * from the Python one.
 */
const GivenTime = z.union([
  z.iso.datetime({ offset: true, local: true }).transform((text) => Date.parse(text)),
  z
    .number()
    .min(-8.64e12)
    .max(8.64e12)
    .transform((seconds) => seconds * 1000),
]);
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

/** Where a process runs, and what becomes of its streams. */
const startOptions = {
  env: optional(Environment),
  clearEnv: optional(z.boolean()),
  cwd: optional(Path),
  stdinStreamId: optional(StreamId),
  stdout: z.enum(["piped", "null"]),
  stderr: z.enum(["piped", "null"]),
  /** Ours: the output is kept when the socket drops, for `processAttach`. Needs `skerry.v1`. */
  keep: optional(z.boolean()),
};
const denoOptions = { ...startOptions, scriptArgs: optional(z.array(z.string())) };

const Offset = z.int().min(0).nullable();

/** The size of a terminal, in characters. */
const Terminal = z.object({ rows: z.int().min(1).max(4_096), cols: z.int().min(1).max(4_096) });

export const DenoExtension = z.enum(["js", "cjs", "mjs", "ts", "cts", "mts", "jsx", "tsx"]);
export type DenoExtension = z.infer<typeof DenoExtension>;

/**
 * Ours: with `"devalue"`, values go in and come out as `devalue` writes them, so that a `Map` stays a
 * `Map`; without, as plain JSON, which is all that the official clients read.
 */
const encoding = optional(z.literal("devalue"));

const FileHandleId = z.object({ fileHandleId: z.int().min(0) });
const onHandle = <T extends z.ZodRawShape>(shape: T) =>
  z.object({ fileHandleId: z.int().min(0), ...shape });

const Pattern = z.union([
  z.object({ source: z.string().max(4096), flags: z.string().max(16) }),
  z
    .string()
    .max(4096)
    .transform((source) => ({ source, flags: "" })),
]);

/** The Python client puts options into an object of their own, the JavaScript client beside `path`. */
const flattened = <T extends z.ZodType>(schema: T) =>
  z.preprocess((given) => {
    if (typeof given !== "object" || given === null || !("options" in given)) return given;
    const { options, ...rest } = given;
    return { ...(typeof options === "object" ? options : {}), ...rest };
  }, schema);

/** An entry that `walk` and `expandGlob` find: one JSON document in each chunk of their stream. */
export const WalkEntry = z.object({
  path: z.string(),
  name: z.string(),
  isFile: z.boolean(),
  isDirectory: z.boolean(),
  isSymlink: z.boolean(),
});
export type WalkEntry = z.infer<typeof WalkEntry>;

/** A stream for the JavaScript client, the entries themselves for the Python client. */
const Found = z.union([z.object({ streamId: z.number() }), z.array(WalkEntry)]);

const Header = z.tuple([z.string().max(65_536), z.string().max(65_536)]);

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

  chown: {
    params: z.object({
      path: Path,
      uid: optional(z.int().min(0).max(0xffff_fffe)),
      gid: optional(z.int().min(0).max(0xffff_fffe)),
    }),
    result: nothing,
  },
  link: { params: z.object({ target: Path, path: Path }), result: nothing },
  umask: { params: z.object({ mask: optional(Mode) }), result: z.number() },
  utime: { params: z.object({ path: Path, atime: GivenTime, mtime: GivenTime }), result: nothing },
  /** Ours: a file of any size as a stream, from `offset`. */
  openRead: {
    params: z.object({ path: Path, offset: optional(z.int().min(0)) }),
    result: z.object({ streamId: z.number(), info: FileInfo }),
  },

  open: {
    params: z.object({
      path: Path,
      options: optional(
        z.object({
          read: optional(z.boolean()),
          write: optional(z.boolean()),
          append: optional(z.boolean()),
          truncate: optional(z.boolean()),
          create: optional(z.boolean()),
          createNew: optional(z.boolean()),
          mode: optional(Mode),
        }),
      ),
    }),
    result: FileHandleId,
  },
  create: { params: z.object({ path: Path }), result: FileHandleId },
  fileClose: { params: FileHandleId, result: nothing },
  fileLock: { params: onHandle({ exclusive: optional(z.boolean()) }), result: nothing },
  fileUnlock: { params: FileHandleId, result: nothing },
  fileRead: {
    params: onHandle({ length: z.int().min(0) }),
    result: z.object({ data: Bytes.nullable() }),
  },
  fileWrite: {
    params: onHandle({ data: Bytes }),
    result: z.object({ bytesWritten: z.number() }),
  },
  fileSeek: {
    params: onHandle({
      offset: z.union([
        z.int(),
        z
          .string()
          .regex(/^-?\d{1,16}$/)
          .transform(Number)
          .refine(Number.isSafeInteger, "too far"),
      ]),
      whence: z.union([z.literal(0), z.literal(1), z.literal(2)]),
    }),
    result: z.object({ position: z.number() }),
  },
  fileStat: { params: FileHandleId, result: FileInfo },
  fileSync: { params: FileHandleId, result: nothing },
  fileSyncData: { params: FileHandleId, result: nothing },
  fileTruncate: {
    /** `size` is what the Python client calls `len`. */
    params: onHandle({ len: optional(z.int().min(0)), size: optional(z.int().min(0)) }),
    result: nothing,
  },
  fileUtime: { params: onHandle({ atime: GivenTime, mtime: GivenTime }), result: nothing },

  walk: {
    params: flattened(
      z.object({
        path: Path,
        maxDepth: optional(z.number().min(0)),
        includeFiles: optional(z.boolean()),
        includeDirs: optional(z.boolean()),
        includeSymlinks: optional(z.boolean()),
        followSymlinks: optional(z.boolean()),
        canonicalize: optional(z.boolean()),
        exts: optional(z.array(z.string().max(255)).max(64)),
        match: optional(z.array(Pattern).max(64)),
        skip: optional(z.array(Pattern).max(64)),
      }),
    ),
    result: Found,
  },
  expandGlob: {
    params: flattened(
      z.object({
        glob: Path,
        extended: optional(z.boolean()),
        globstar: optional(z.boolean()),
        caseInsensitive: optional(z.boolean()),
        root: optional(Path),
        exclude: optional(z.array(Path).max(64)),
        includeDirs: optional(z.boolean()),
        followSymlinks: optional(z.boolean()),
        canonicalize: optional(z.boolean()),
      }),
    ),
    result: Found,
  },

  spawn: {
    params: z.object({
      command: Path,
      args: optional(z.array(z.string())),
      ...startOptions,
      /** Ours: a terminal in the place of the three streams; what it shows comes as stdout. */
      pty: optional(Terminal.extend({ term: optional(z.string().max(64)) })),
    }),
    result: Spawned,
  },
  /** Ours: the size of a process' terminal has changed. */
  processResize: { params: Terminal.extend({ pid }), result: nothing },
  /**
   * Ours: takes up the output of a process that was spawned with `keep`, from so many bytes on; a
   * stream without an offset is left alone. Fails with `OUTPUT_LOST` in `data.code` when bytes that
   * were not taken are gone.
   */
  processAttach: {
    params: z.object({ pid, stdoutOffset: Offset, stderrOffset: Offset }),
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

  spawnDeno: {
    params: z.union([
      z.object({
        ...denoOptions,
        entrypoint: Path,
        watch: optional(z.union([z.boolean(), z.array(Path).max(64)])),
      }),
      z.object({ ...denoOptions, code: z.string(), extension: DenoExtension }),
    ]),
    result: Spawned.extend({ watcherId: z.string().nullable() }),
  },
  denoHttpWait: { params: z.object({ pid }), result: z.boolean() },
  spawnDenoRepl: { params: z.object(denoOptions), result: Spawned },
  denoReplEval: {
    params: z.object({ pid, code: z.string(), encoding }),
    result: z.unknown(),
  },
  denoReplCall: {
    /** `args` is an array, or one text with `encoding`. */
    params: z.object({ pid, fn: z.string(), args: z.unknown(), encoding }),
    result: z.unknown(),
  },
  denoReplClose: { params: z.object({ pid }), result: nothing },

  fetch: {
    params: z.object({
      url: z.string().max(65_536),
      method: z.string().max(64),
      headers: z.array(Header).max(1_024),
      redirect: z.enum(["follow", "manual", "error"]),
      abortId,
      bodyStreamId: optional(StreamId),
      /** A Deno process whose HTTP server gets the request, whatever host the URL names. */
      pid: optional(pid),
    }),
    result: z.object({
      status: z.number(),
      statusText: z.string(),
      headers: z.array(Header),
      bodyStreamId: z.number().nullable(),
    }),
  },

  /** Ours: connects to a server inside the machine; the streams are what it is sent and what it sends. */
  dial: {
    params: z.union([
      z.object({
        host: optional(z.string().min(1).max(255)),
        port: z.int().min(1).max(65_535),
        inputStreamId: StreamId,
      }),
      z.object({ path: Path, inputStreamId: StreamId }),
    ]),
    result: z.object({ outputStreamId: z.number() }),
  },

  /** Listens inside the machine, until `closeListener` or the end of the connection. Port 0 is any. */
  listen: {
    params: z.union([
      z.object({ host: optional(z.string().max(255)), port: z.int().min(0).max(65_535) }),
      z.object({ path: Path }),
    ]),
    result: z.object({ listenerId: z.number(), port: z.number().nullable() }),
  },
  /** Waits for the next connection. `address` and `port` are of who made it, null for a Unix socket. */
  accept: {
    params: z.object({ listenerId: z.int().min(0), inputStreamId: StreamId }),
    result: z.object({
      outputStreamId: z.number(),
      address: z.string().nullable(),
      port: z.number().nullable(),
    }),
  },
  closeListener: { params: z.object({ listenerId: z.int().min(0) }), result: nothing },

  /**
   * Starts an editor in the machine and answers when it takes connections. With `disableStopButton` it has no button
   * that ends it; `preview` is the address of a page that it shows.
   */
  vscode: {
    params: z.object({
      path: Path,
      env: optional(Environment),
      extensions: optional(z.array(Path).max(limits.editorExtensionsMax)),
      disableStopButton: optional(z.boolean()),
      preview: optional(z.url({ protocol: /^https?$/ }).max(65_536)),
      editorSettings: optional(z.record(z.string(), z.unknown())),
    }),
    result: z.object({
      pid: z.number(),
      port: z.number(),
      stdoutStreamId: z.number(),
      stderrStreamId: z.number(),
    }),
  },

  /** Says what a name that was reserved leads to: a port, or the server of a process. */
  exposeHttp: {
    params: z.union([
      z.object({ domain: z.string().max(512), port: z.int().min(1).max(65_535) }),
      z.object({ domain: z.string().max(512), pid }),
    ]),
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

/** The server tells that a process with `watch` starts over. */
export const watcherRestart = "$sandbox.deno.watcher.restart";
export const WatcherRestart = z.object({ watcherId: z.string() });
export type StreamNotification = keyof typeof streamNotifications;
