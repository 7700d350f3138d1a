import { z } from "zod";

import { denoMethods } from "./deno.ts";
import { editorMethods } from "./editor.ts";
import { environmentMethods } from "./environment.ts";
import { fileHandleMethods } from "./file-handles.ts";
import { fileSearchMethods } from "./file-search.ts";
import { fileMethods } from "./files.ts";
import { networkMethods } from "./network.ts";
import { processMethods } from "./processes.ts";
import { nothing, type SandboxMethods } from "./values.ts";

/**
 * The methods of the sandbox socket, in wire form: bytes are base64, times ISO 8601, and `null`
 * stands for what is left out (the official client encodes `undefined` so). From this table come
 * the server's handlers, the client's types and `contract.json`.
 */
export const sandboxMethods = {
  abort: { params: z.object({ abortId: z.number() }), result: nothing },
  ...fileMethods,
  ...fileHandleMethods,
  ...fileSearchMethods,
  ...processMethods,
  ...denoMethods,
  ...networkMethods,
  ...editorMethods,
  ...environmentMethods,
} as const satisfies SandboxMethods;

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
