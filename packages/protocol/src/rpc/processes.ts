import { z } from "zod";

import { OomVerdict } from "../guest.ts";
import {
  Environment,
  nothing,
  optional,
  Path,
  pid,
  StreamId,
  type SandboxMethods,
} from "./values.ts";

/** A process that has started. Streams that are not piped have no id. */
export const Spawned = z.object({
  pid: z.number(),
  stdoutStreamId: z.number().nullable(),
  stderrStreamId: z.number().nullable(),
});

/** Where a process runs, and what becomes of its streams. */
export const startOptions = {
  env: optional(Environment),
  clearEnv: optional(z.boolean()),
  cwd: optional(Path),
  stdinStreamId: optional(StreamId),
  stdout: z.enum(["piped", "null"]),
  stderr: z.enum(["piped", "null"]),
  /** Ours: the output is kept when the socket drops, for `processAttach`. Needs `skerry.v1`. */
  keep: optional(z.boolean()),
};
const Offset = z.int().min(0).nullable();

/** The size of a terminal, in characters. */
const Terminal = z.object({ rows: z.int().min(1).max(4_096), cols: z.int().min(1).max(4_096) });

/** Starting programs, and what is done with them. */
export const processMethods = {
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
} as const satisfies SandboxMethods;
