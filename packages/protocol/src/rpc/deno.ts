import { z } from "zod";

import { Spawned, startOptions } from "./processes.ts";
import { nothing, optional, Path, pid, type SandboxMethods } from "./values.ts";

const denoOptions = { ...startOptions, scriptArgs: optional(z.array(z.string())) };

export const DenoExtension = z.enum(["js", "cjs", "mjs", "ts", "cts", "mts", "jsx", "tsx"]);
export type DenoExtension = z.infer<typeof DenoExtension>;

/**
 * Ours: with `"devalue"`, values go in and come out as `devalue` writes them, so that a `Map` stays a
 * `Map`; without, as plain JSON, which is all that the official clients read.
 */
const encoding = optional(z.literal("devalue"));

/** Programs and REPLs of Deno. */
export const denoMethods = {
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
} as const satisfies SandboxMethods;
