import { z } from "zod";

import { FileInfo } from "./files.ts";
import { Bytes, GivenTime, Mode, nothing, optional, Path, type SandboxMethods } from "./values.ts";

const FileHandleId = z.object({ fileHandleId: z.int().min(0) });
const onHandle = <T extends z.ZodRawShape>(shape: T) =>
  z.object({ fileHandleId: z.int().min(0), ...shape });

/** Files that are open. */
export const fileHandleMethods = {
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
} as const satisfies SandboxMethods;
