import { z } from "zod";

import { Environment, nothing, type SandboxMethods } from "./values.ts";

/** The variables that programs start with. */
export const environmentMethods = {
  envGet: { params: z.object({ key: z.string() }), result: z.string().optional() },
  envSet: { params: z.object({ key: z.string(), value: z.string() }), result: nothing },
  envToObject: { params: z.object({}), result: Environment },
  envDelete: { params: z.object({ key: z.string() }), result: nothing },
} as const satisfies SandboxMethods;
