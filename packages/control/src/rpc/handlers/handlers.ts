import type { SandboxMethodName } from "@skerry/protocol";

import { denoReplHandlers } from "./deno-repl.ts";
import { denoRunHandlers } from "./deno-run.ts";
import { dialHandlers } from "./dial.ts";
import { editorHandlers } from "./editor.ts";
import { environmentHandlers } from "./environment.ts";
import { exposeHandlers } from "./expose.ts";
import { fetchHandlers } from "./fetch.ts";
import { fileContentHandlers } from "./file-content.ts";
import { fileHandleHandlers } from "./file-handles.ts";
import { fileSearchHandlers } from "./file-search.ts";
import { fileHandlers } from "./files.ts";
import type { Handlers } from "./handler.ts";
import { listenHandlers } from "./listen.ts";
import { processHandlers } from "./processes.ts";

/** Every method of the sandbox socket. */
export const handlers: Handlers<SandboxMethodName> = {
  ...fileContentHandlers,
  ...fileHandlers,
  ...fileHandleHandlers,
  ...fileSearchHandlers,
  ...processHandlers,
  ...denoRunHandlers,
  ...denoReplHandlers,
  ...fetchHandlers,
  ...dialHandlers,
  ...listenHandlers,
  ...exposeHandlers,
  ...editorHandlers,
  ...environmentHandlers,
  async abort({ abortId }, { calls }) {
    calls.abort(abortId);
    return null;
  },
};
