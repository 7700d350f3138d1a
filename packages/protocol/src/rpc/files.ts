import { z } from "zod";

import {
  abortId,
  Bytes,
  GivenTime,
  Mode,
  nothing,
  optional,
  Path,
  StreamId,
  Time,
  type SandboxMethods,
} from "./values.ts";

export const FileInfo = z.object({
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

/** What is done with files by their paths. */
export const fileMethods = {
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
} as const satisfies SandboxMethods;
