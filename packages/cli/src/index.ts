export type { Config } from "./config.ts";
export type { Context, EndingSignal } from "./context.ts";
export { Output, type OutputOptions } from "./output.ts";
export { run } from "./run.ts";
