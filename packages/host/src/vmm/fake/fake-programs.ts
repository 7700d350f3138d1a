import { constants } from "node:os";

interface Exit {
  readonly code: number;
  readonly signal: string | null;
  readonly oom: null;
}

interface Surroundings {
  readonly output: (stream: 1 | 2, bytes: Buffer) => void;
  readonly exit: (exit: Exit) => void;
}

/** A program that runs in a fake guest. */
export interface FakeProgram {
  readonly channel: number;
  run(): void;
  stdin(bytes: Buffer): void;
  kill(signal: string): void;
}

/** Starts `true`, `false`, `echo`, `cat` or `sleep`; undefined for anything else. */
export function startProgram(
  channel: number,
  params: Record<string, unknown>,
  { output, exit }: Surroundings,
): FakeProgram | undefined {
  const name = String(params["command"]).split("/").pop();
  const args = Array.isArray(params["args"]) ? params["args"].map(String) : [];
  let isOver = false;
  const finish = (code: number, signal: string | null = null): void => {
    if (isOver) return;
    isOver = true;
    exit({ code, signal, oom: null });
  };
  const runs: Record<string, () => void> = {
    true: () => finish(0),
    false: () => finish(1),
    echo: () => {
      output(1, Buffer.from(`${args.join(" ")}\n`));
      finish(0);
    },
    cat: () => undefined,
    sleep: () => undefined,
    // Whatever else a template runs to warm up does nothing here.
    ...Object.fromEntries(
      ["bash", "ls", "sudo", "env", "python3", "node", "git"].map((n) => [n, () => finish(0)]),
    ),
  };
  const run = runs[name ?? ""];
  if (run === undefined) return undefined;
  return {
    channel,
    run,
    stdin: (bytes) => {
      if (name !== "cat") return;
      if (bytes.length > 0) output(1, bytes);
      finish(0);
    },
    kill: (signal) => finish(128 + (constants.signals[signal as NodeJS.Signals] ?? 0), signal),
  };
}
