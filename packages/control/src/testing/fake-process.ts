import {
  editorCommand,
  GuestError,
  SandboxError,
  type EditorRequest,
  type Exit,
  type GuestProcess,
  type SpawnParams,
} from "@skerry/protocol";

import { Pipe } from "./pipe.ts";

/** What a fake program sees. */
interface ProgramIo {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: Pipe;
  readonly stdout: Pipe;
  readonly stderr: Pipe;
  /** Settles with the signal that ends the process. */
  readonly killed: Promise<string>;
}

/** Answers with the exit code. */
type Program = (io: ProgramIo) => Promise<number>;

/** The programs of a fake machine. */
export const programs: Readonly<Record<string, Program>> = {
  true: async () => 0,
  exit: async ({ args }) => Number(args[0]),
  async echo({ args, stdout }) {
    await stdout.write(Buffer.from(`${args.join(" ")}\n`));
    return 0;
  },
  async cat({ stdin, stdout }) {
    for await (const chunk of stdin) await stdout.write(chunk);
    return 0;
  },
  async env({ env, stdout }) {
    await stdout.write(Buffer.from(JSON.stringify(env)));
    return 0;
  },
  /** Writes `args[0]` bytes, whose values count up. */
  async flood({ args, stdout }) {
    const chunk = Buffer.from(Array.from({ length: 65_536 }, (_, i) => i % 251));
    for (let left = Number(args[0]); left > 0; left -= chunk.length) {
      await stdout.write(chunk.subarray(0, Math.min(left, chunk.length)));
    }
    return 0;
  },
  /** Says what it was asked for and its environment; ends with a complaint where it is to have the extension "broken". */
  async [editorCommand.command]({ args, env, stdout, stderr, killed }) {
    const request = JSON.parse(args.at(-1) ?? "") as EditorRequest;
    if (request.extensions.includes("broken")) {
      await stderr.write(Buffer.from("it\u001b[31m is\n\nbroken\n"));
      return 1;
    }
    await stdout.write(Buffer.from(JSON.stringify({ request, env })));
    await killed;
    return 0;
  },
  /** Runs until it is killed, and does not read stdin. */
  async sleep({ killed }) {
    await killed;
    return 0;
  },
};

const signalNumbers: Readonly<Record<string, number>> = {
  ...{ SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 },
};

/** A process whose program is one of {@link programs}. */
export class FakeProcess implements GuestProcess {
  readonly pid: number;
  readonly stdin: Pipe | null;
  readonly stdout: Pipe | null;
  readonly stderr: Pipe | null;
  readonly exit: Promise<Exit>;
  isDetached = false;
  readonly #exit = Promise.withResolvers<Exit>();
  readonly #killed = Promise.withResolvers<string>();
  readonly #ended = Promise.withResolvers<Exit>();

  constructor(pid: number, params: SpawnParams, environment: Readonly<Record<string, string>>) {
    const program = programs[params.command];
    if (program === undefined) {
      const message = `No such file or directory (os error 2): spawn '${params.command}'`;
      throw new GuestError({ errno: "ENOENT", message });
    }
    this.pid = pid;
    const [stdin, stdout, stderr] = [new Pipe(), new Pipe(), new Pipe()];
    this.stdin = params.stdin === "piped" ? stdin : null;
    this.stdout = params.stdout === "piped" ? stdout : null;
    this.stderr = params.stderr === "piped" ? stderr : null;
    if (this.stdin === null) stdin.end();
    if (this.stdout === null) stdout.discard();
    if (this.stderr === null) stderr.discard();
    this.exit = this.#exit.promise;
    this.exit.catch(() => {}); // whoever waits has the rejection too
    this.ended.catch(() => {});
    const env = { ...(params.clearEnv === true ? {} : environment), ...params.env };
    const { args = [] } = params;
    const io = { args, env, stdin, stdout, stderr, killed: this.#killed.promise };
    void this.#run(program, io);
  }

  /** As `wait` of the guest: knows the end even of a process that is detached. */
  get ended(): Promise<Exit> {
    return this.#ended.promise;
  }

  kill(signal: string): void {
    if (signalNumbers[signal] === undefined) {
      throw new GuestError({ errno: "EINVAL", message: `Unknown signal '${signal}'` });
    }
    this.#killed.resolve(signal);
  }

  detach(): void {
    this.isDetached = true;
    for (const pipe of [this.stdout, this.stderr]) pipe?.discard();
    this.stdin?.end();
  }

  /** The machine is gone. */
  lose(): void {
    const gone = new SandboxError("SANDBOX_GONE");
    this.#exit.reject(gone);
    this.#ended.reject(gone);
    for (const pipe of [this.stdin, this.stdout, this.stderr]) pipe?.end(gone);
  }

  async #run(program: Program, io: ProgramIo): Promise<void> {
    const signal = this.#killed.promise.then((name) => ({ name }));
    // A program whose pipe breaks ends like one that a SIGPIPE ends.
    const code = program(io).catch(() => 141);
    const first = await Promise.race([signal, code]);
    const exit: Exit =
      typeof first === "number"
        ? { code: first, signal: null, oom: null }
        : { code: 128 + (signalNumbers[first.name] ?? 0), signal: first.name, oom: null };
    io.stdout.end();
    io.stderr.end();
    io.stdin.end();
    this.#ended.resolve(exit);
    if (!this.isDetached) this.#exit.resolve(exit);
  }
}
