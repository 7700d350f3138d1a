import type { Readable, Writable } from "node:stream";

import type { Config } from "./config.ts";
import type { Output } from "./output.ts";

/** Signals that ask this process to end. */
export type EndingSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

/** The world of a verb: all that it reads and writes beside the server. */
export interface Context {
  readonly config: Config;
  readonly output: Output;
  /** The process' own streams, for what comes from and goes to a sandbox. */
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Unix time in ms. */
  readonly now: () => number;
  /** Is called instead of ending the process, until the returned function is called. */
  readonly onSignal: (listener: (signal: EndingSignal) => void) => () => void;
}
