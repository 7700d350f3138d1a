import { outputOf, type ChildProcess, type ChildProcessOutput } from "./child-process.ts";
import { InvalidOptionError, SandboxCommandError } from "./errors.ts";
import { KillSignal } from "./kill-controller.ts";
import type { SandboxPath } from "./path.ts";
import { shellCommand } from "./shell-escape.ts";
import type { OutputMode, SpawnOptions } from "./spawn.ts";

/** Starts a program in the sandbox, as `sandbox.spawn` does. */
type Spawn = (command: string, options: SpawnOptions) => Promise<ChildProcess>;

interface Settings {
  readonly throws: boolean;
  readonly sudo: boolean;
  readonly cwd: SandboxPath | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly stdout: OutputMode;
  readonly stderr: OutputMode;
  readonly signals: readonly (AbortSignal | KillSignal)[];
}

const defaults: Settings = {
  throws: true,
  sudo: false,
  cwd: undefined,
  env: {},
  stdout: "inherit",
  stderr: "inherit",
  signals: [],
};

/**
 * A shell command that has not run yet. Each method gives a new one, so that a command can be kept
 * and varied; awaiting it, or asking for its output, runs it with `bash`.
 */
export class ShellCommand implements PromiseLike<ChildProcessOutput> {
  readonly #spawn: Spawn;
  readonly #text: string;
  readonly #settings: Settings;

  /** @internal Use the tag `sandbox.sh`. */
  constructor(spawn: Spawn, text: string, settings: Settings = defaults) {
    this.#spawn = spawn;
    this.#text = text;
    this.#settings = settings;
  }

  /** Does not throw when the exit code is not 0. */
  noThrow(value = true): ShellCommand {
    return this.#with({ throws: !value });
  }

  /** Puts `sudo` before the command, which makes the first program of it run as root. */
  sudo(enable = true): ShellCommand {
    return this.#with({ sudo: enable });
  }

  /** Runs it in this directory. Default: the home directory. */
  cwd(path: SandboxPath): ShellCommand {
    return this.#with({ cwd: path });
  }

  /** Sets one more environment variable for it. */
  env(name: string, value: string): ShellCommand {
    return this.#with({ env: { ...this.#settings.env, [name]: value } });
  }

  /** What becomes of its stdout. Default `"inherit"`. */
  stdout(mode: OutputMode): ShellCommand {
    return this.#with({ stdout: mode });
  }

  /** What becomes of its stderr. Default `"inherit"`. */
  stderr(mode: OutputMode): ShellCommand {
    return this.#with({ stderr: mode });
  }

  /** Sends it the signals of one more `KillController`, or SIGTERM when an `AbortSignal` aborts. */
  signal(signal: AbortSignal | KillSignal): ShellCommand {
    if (!(signal instanceof KillSignal || signal instanceof AbortSignal)) {
      throw new InvalidOptionError("Expected a KillSignal or an AbortSignal.");
    }
    return this.#with({ signals: [...this.#settings.signals, signal] });
  }

  /** Runs it and gives what it wrote to stdout, as UTF-8. */
  async text(): Promise<string> {
    return (await this.stdout("piped").result()).stdoutText ?? "";
  }

  /**
   * Runs it and parses what it wrote to stdout.
   *
   * @throws {SyntaxError} when that is no JSON; the message contains it.
   */
  async json<T = unknown>(): Promise<T> {
    const text = await this.text();
    try {
      return JSON.parse(text) as T; // the caller says what the command prints
    } catch (cause) {
      throw new SyntaxError(`The command did not print JSON: ${text}`, { cause });
    }
  }

  /**
   * Runs it and gives how it ended, with what it wrote to the outputs that are `"piped"`.
   *
   * @throws {SandboxCommandError} when the exit code is not 0, unless {@link noThrow}.
   */
  async result(): Promise<ChildProcessOutput> {
    const output = await this.#run();
    if (this.#settings.throws && !output.status.success) {
      const { code, oom } = output.status;
      throw new SandboxCommandError(code, output.stderrText, oom);
    }
    return output;
  }

  /** Starts it and gives the process, for those who want to talk to it while it runs. */
  async spawn(): Promise<ChildProcess> {
    const { sudo, cwd, env, stdout, stderr, signals } = this.#settings;
    const child = await this.#spawn("bash", {
      args: ["-c", sudo ? `sudo ${this.#text}` : this.#text],
      env: { BASH_ENV: "$HOME/.bashrc", ...env },
      cwd,
      stdout,
      stderr,
    });
    for (const signal of signals) child.follow(signal);
    return child;
  }

  /** Runs it: this is what makes `await` work. */
  // oxlint-disable-next-line unicorn/no-thenable -- a command is awaited; that is its purpose
  then<Value = ChildProcessOutput, Failure = never>(
    onFulfilled?: ((output: ChildProcessOutput) => Value | PromiseLike<Value>) | null,
    onRejected?: ((reason: unknown) => Failure | PromiseLike<Failure>) | null,
  ): Promise<Value | Failure> {
    return this.result().then(onFulfilled, onRejected);
  }

  async #run(): Promise<ChildProcessOutput> {
    const code = this.#settings.signals.map(endedBy).find((found) => found !== undefined);
    if (code === undefined) return (await this.spawn()).output();
    const nothing = new Uint8Array();
    return outputOf({ success: false, code, signal: null, oom: false }, nothing, nothing);
  }

  #with(change: Partial<Settings>): ShellCommand {
    return new ShellCommand(this.#spawn, this.#text, { ...this.#settings, ...change });
  }
}

/** The exit code of a command whose signal came before it was started. */
function endedBy(signal: AbortSignal | KillSignal): number | undefined {
  if (signal instanceof KillSignal) return signal.abortedExitCode;
  return signal.aborted ? 143 : undefined;
}

/** The tag that makes commands: what is inserted is escaped, a list becomes several arguments. */
export type Shell = (template: TemplateStringsArray, ...values: readonly unknown[]) => ShellCommand;

/** @internal */
export function shellOf(spawn: Spawn): Shell {
  return (template, ...values) => new ShellCommand(spawn, shellCommand(template, values));
}
