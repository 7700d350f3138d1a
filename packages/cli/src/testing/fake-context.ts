import { PassThrough, Writable } from "node:stream";

import type { Context, EndingSignal } from "../context.ts";
import { Output } from "../output.ts";

/** A world in memory: what is written to it can be read, and signals are sent by hand. */
export interface FakeContext extends Context {
  readonly written: { stdout: string; stderr: string };
  readonly stdin: PassThrough;
  send(signal: EndingSignal): void;
  /** How many listen for signals. */
  readonly listeners: ReadonlySet<(signal: EndingSignal) => void>;
}

export function fakeContext(config: Partial<Context["config"]> = {}): FakeContext {
  const written = { stdout: "", stderr: "" };
  const listeners = new Set<(signal: EndingSignal) => void>();
  const sink = (name: "stdout" | "stderr"): Writable =>
    new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        written[name] += chunk.toString("latin1");
        done();
      },
    });
  return {
    config: {
      home: "/nonexistent",
      sandboxId: undefined,
      term: undefined,
      noColor: true,
      path: [],
      variable: () => undefined,
      ...config,
    },
    output: new Output({
      stdout: (text) => (written.stdout += text),
      stderr: (text) => (written.stderr += text),
      colours: false,
    }),
    stdin: new PassThrough(),
    stdout: sink("stdout"),
    stderr: sink("stderr"),
    now: () => Date.parse("2026-01-02T04:00:00.000Z"),
    onSignal: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    written,
    listeners,
    send: (signal) => {
      for (const listener of listeners) listener(signal);
    },
  };
}
