import { z } from "zod";

import { limits } from "../limits.ts";
import { Environment, optional, Path, type SandboxMethods } from "./values.ts";

/** VS Code. */
export const editorMethods = {
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
} as const satisfies SandboxMethods;
