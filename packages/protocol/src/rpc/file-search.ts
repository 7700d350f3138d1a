import { z } from "zod";

import { optional, Path, type SandboxMethods } from "./values.ts";

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

/** Looking for files. */
export const fileSearchMethods = {
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
} as const satisfies SandboxMethods;
