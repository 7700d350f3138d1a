import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";

import { ImageError } from "./errors.ts";

/** Options of {@link runTool}. */
export interface ToolOptions {
  /** What the program is doing, for the message of a failure: "unpack the kernel package". */
  readonly doing: string;
  /** What the operator should look at when it fails: a clause without a final stop. */
  readonly hint?: string;
  readonly cwd?: string;
  /** Added to the inherited environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Standard output goes to this file and is not returned. */
  readonly outputFile?: string;
  /** Longest run, in milliseconds. Default 10 minutes. */
  readonly deadlineMs?: number;
  /** Everything below the program lives in namespaces of its own and dies with it. Needs root. */
  readonly isolated?: boolean;
  /** Called with each line of output. */
  readonly onLine?: (line: string) => void;
  readonly signal: AbortSignal;
}

const defaultDeadlineMs = 600_000;
const killAfterMs = 3_000;
const tailLinesMax = 20;
const tailBytesMax = 8_192;
const outputBytesMax = 64 * 1_048_576;

/** The Debian package of each program that is not on every Debian. */
const packageOf: Readonly<Record<string, string>> = {
  mmdebstrap: "mmdebstrap",
  "mkfs.erofs": "erofs-utils",
  "mkfs.ext4": "e2fsprogs",
  depmod: "kmod",
  xz: "xz-utils",
  npm: "npm",
};

// Programs in sbin are found, messages are English, and the program does not outlive this process.
const wrapper =
  'PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"; export PATH LC_ALL=C; ' +
  'command -v "$1" >/dev/null || exit 127; exec setpriv --pdeathsig KILL -- $SKERRY_ISOLATE "$@"';
const isolate = "unshare --mount --pid --fork --kill-child --mount-proc --";

/**
 * Runs a program to its end and returns what it printed on standard output. When `signal` aborts,
 * the program and its children are killed before this rejects with the signal's reason.
 * @throws ImageError `tool_missing`, `tool_failed`, `no_space`
 */
export async function runTool(
  tool: string,
  args: readonly string[],
  options: ToolOptions,
): Promise<Buffer> {
  options.signal.throwIfAborted();
  const environment = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
  const child = spawn(
    "/usr/bin/env",
    [
      ...environment,
      `SKERRY_ISOLATE=${options.isolated === true ? isolate : ""}`,
      "/bin/sh",
      "-c",
      wrapper,
      "sh",
      tool,
      ...args,
    ],
    { cwd: options.cwd, stdio: ["ignore", "pipe", "pipe"], detached: true },
  );
  const tail = new Tail(options.onLine);
  const output: Buffer[] = [];
  let outputBytes = 0;
  const file = options.outputFile === undefined ? null : createWriteStream(options.outputFile);
  if (file !== null) child.stdout.pipe(file);
  else {
    child.stdout.on("data", (chunk: Buffer) => {
      outputBytes += chunk.length;
      if (outputBytes <= outputBytesMax) output.push(chunk);
      tail.push(chunk);
    });
  }
  child.stderr.on("data", (chunk: Buffer) => tail.push(chunk));

  const deadline = AbortSignal.timeout(options.deadlineMs ?? defaultDeadlineMs);
  const stop = AbortSignal.any([options.signal, deadline]);
  let insist: NodeJS.Timeout | undefined;
  const kill = (): void => {
    signalGroup(child.pid, "SIGTERM");
    insist = setTimeout(() => signalGroup(child.pid, "SIGKILL"), killAfterMs);
  };
  stop.addEventListener("abort", kill, { once: true });
  const { promise: ended, resolve, reject } = Promise.withResolvers<Ended>();
  child.once("error", reject);
  child.once("close", (code, killedBy) => resolve({ code, killedBy }));
  try {
    const { code, killedBy } = await ended;
    if (file !== null) await closed(file);
    options.signal.throwIfAborted();
    if (code === 0) return Buffer.concat(output);
    throw failure(tool, options, deadline.aborted ? "took too long" : reason(code, killedBy), {
      code,
      tail: tail.text(),
    });
  } finally {
    stop.removeEventListener("abort", kill);
    clearTimeout(insist);
  }
}

interface Ended {
  readonly code: number | null;
  readonly killedBy: NodeJS.Signals | null;
}

function reason(code: number | null, killedBy: NodeJS.Signals | null): string {
  return killedBy === null ? `exit status ${code}` : `killed by ${killedBy}`;
}

function failure(
  tool: string,
  options: ToolOptions,
  why: string,
  { code, tail }: { readonly code: number | null; readonly tail: string },
): ImageError {
  if (code === 127 && tail === "") {
    const name = packageOf[tool] ?? tool;
    return new ImageError("tool_missing", `${tool} is not installed: apt-get install ${name}`);
  }
  if (/No space left on device/i.test(tail)) {
    const message = `could not ${options.doing}: the disk is full; free some space and try again`;
    return new ImageError("no_space", message, { detail: tail });
  }
  if (options.isolated === true && /^unshare: /m.test(tail)) {
    const where = "run it as root outside a container, or in one with CAP_SYS_ADMIN";
    const message = `could not ${options.doing}: this process may not make namespaces; ${where}`;
    return new ImageError("tool_failed", message, { detail: tail });
  }
  const hint = options.hint === undefined ? "" : `; ${options.hint}`;
  const message = `could not ${options.doing}: ${tool} failed (${why})${hint}`;
  return new ImageError("tool_failed", message, { detail: tail });
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is gone, which is what was wanted.
  }
}

async function closed(file: NodeJS.WritableStream & { readonly closed: boolean }): Promise<void> {
  if (file.closed) return;
  await new Promise<void>((resolve, reject) => {
    file.once("close", resolve);
    file.once("error", reject);
  });
}

/** The last lines of what a program printed. */
class Tail {
  readonly #onLine: ((line: string) => void) | undefined;
  #rest = "";
  #lines: string[] = [];

  constructor(onLine: ((line: string) => void) | undefined) {
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    const lines = (this.#rest + chunk.toString("utf8")).split(/\r?\n|\r/);
    this.#rest = (lines.pop() ?? "").slice(-tailBytesMax);
    for (const line of lines) {
      if (line.trim() === "") continue;
      this.#lines.push(line);
      this.#onLine?.(line);
    }
    if (this.#lines.length > tailLinesMax) this.#lines = this.#lines.slice(-tailLinesMax);
  }

  text(): string {
    const lines = this.#rest.trim() === "" ? this.#lines : [...this.#lines, this.#rest];
    return lines.join("\n").slice(-tailBytesMax);
  }
}
