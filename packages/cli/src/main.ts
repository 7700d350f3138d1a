import process from "node:process";

import { readConfig } from "./config.ts";
import type { EndingSignal } from "./context.ts";
import { Output } from "./output.ts";
import { run } from "./run.ts";

const signals: readonly EndingSignal[] = ["SIGINT", "SIGTERM", "SIGHUP"];
const { stdout, stderr } = process;
const config = readConfig();

// A reader that goes away (`skerry list | head -1`) is no failure.
stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

const code = await run(process.argv.slice(2), {
  config,
  output: new Output({
    stdout: (text) => stdout.write(text),
    stderr: (text) => stderr.write(text),
    colours: stdout.isTTY && stderr.isTTY && !config.noColor,
  }),
  get stdin() {
    return process.stdin; // opened only by the verbs that read it
  },
  stdout,
  stderr,
  now: () => Date.now(),
  onSignal: (listener) => {
    for (const signal of signals) process.on(signal, listener);
    return () => {
      for (const signal of signals) process.off(signal, listener);
    };
  },
});
process.exit(code);
