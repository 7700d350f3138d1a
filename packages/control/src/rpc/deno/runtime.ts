import { randomBytes } from "node:crypto";

import {
  denoEnvironment,
  GuestError,
  limits,
  replCall,
  replCommand,
  replPrelude,
  replStandby,
  type Guest,
  type GuestProcess,
  type SpawnParams,
} from "@skerry/protocol";

import { throwing } from "../failures.ts";
import { untilAborted } from "../lane.ts";
import { ReplLink } from "./repl-link.ts";
import { DenoRepl } from "./repl.ts";

/** How a REPL is to be. */
export interface ReplOptions {
  readonly env: Readonly<Record<string, string>> | undefined;
  readonly clearEnv: boolean | undefined;
  readonly cwd: string | undefined;
  readonly args: readonly string[];
  readonly stdin: SpawnParams["stdin"];
  readonly stdout: SpawnParams["stdout"];
  readonly stderr: SpawnParams["stderr"];
}

/** A REPL that waits for a caller. */
interface Spare {
  readonly child: GuestProcess;
  readonly link: ReplLink;
  readonly socket: string;
}

const runtimes = new WeakMap<Guest, DenoRuntime>();

/** What a machine has of Deno, for all who are connected to it. */
export function denoOf(guest: Guest): DenoRuntime {
  let runtime = runtimes.get(guest);
  if (runtime === undefined) {
    runtime = new DenoRuntime(guest);
    runtimes.set(guest, runtime);
  }
  return runtime;
}

/** The Deno processes of a machine: the sockets of their HTTP servers, and a REPL that waits. */
export class DenoRuntime {
  readonly #guest: Guest;
  readonly #sockets = new Map<number, string>();
  /** Undefined as long as the template's own may be there, null when there is none. */
  #spare: Promise<Spare | null> | null | undefined;

  constructor(guest: Guest) {
    this.#guest = guest;
  }

  /** A path for the HTTP server of a process that is about to start. */
  newSocket(): string {
    return `/run/skerry/http-${randomBytes(9).toString("base64url")}.sock`;
  }

  /** Notes where the HTTP server of a process will listen. */
  register(child: GuestProcess, socket: string): void {
    const { pid } = child;
    this.#sockets.set(pid, socket);
    const forget = (): void => {
      if (this.#sockets.get(pid) === socket) this.#sockets.delete(pid);
    };
    this.#guest.call("wait", { pid }).then(forget, forget);
  }

  /** Where the HTTP server of a process listens or will; undefined for one that is not ours. */
  socketOf(pid: number): string | undefined {
    return this.#sockets.get(pid);
  }

  /** A REPL that is ready. @throws {CallFailure} `NotFound` when the machine has no Deno. */
  async startRepl(options: ReplOptions, signal: AbortSignal): Promise<DenoRepl> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(limits.replStartMs)]);
    const inherited =
      options.clearEnv === true ? {} : await this.#guest.call("env.all", {}, deadline);
    const env = { ...inherited, ...options.env };
    const spare = (await this.#mayTakeSpare(options, env, deadline))
      ? await this.#takeSpare()
      : null;
    const { child, link, socket } = spare ?? (await this.#start(options, env, deadline));
    try {
      await must(link, replCall("begin", { env, args: options.args }), deadline);
    } catch (error) {
      link.close();
      child.detach();
      throw error;
    }
    this.register(child, socket);
    return new DenoRepl(this.#guest, child, link);
  }

  /** Has a REPL wait for the next caller, unless one does. When it cannot be, the next one starts cold. */
  prepareSpare(): void {
    if (this.#spare !== null) return;
    const options: ReplOptions = {
      ...{ env: undefined, clearEnv: undefined, cwd: undefined, args: [] },
      ...{ stdin: "null", stdout: "piped", stderr: "piped" },
    };
    const start = async (): Promise<Spare> => {
      const env = await this.#guest.call("env.all", {});
      return await this.#start(options, env, AbortSignal.timeout(limits.replStartMs));
    };
    this.#spare = start().catch(() => null);
  }

  /**
   * One that waits was started in the home directory with nothing but the first environment, so it
   * fits only whoever wants no more than what can be changed afterwards.
   */
  async #mayTakeSpare(
    { cwd, stdin }: ReplOptions,
    env: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (cwd !== undefined || stdin !== "null") return false;
    if (Object.keys(env).some((key) => readAtStart.test(key))) return false;
    const looks = projectFiles.map((path) => this.#guest.call("fs.lstat", { path }, signal));
    const found = await Promise.allSettled(looks);
    return found.every(({ status }) => status === "rejected");
  }

  async #takeSpare(): Promise<Spare | null> {
    const spare = this.#spare === undefined ? this.#takeStandby() : this.#spare;
    this.#spare = null;
    return await spare;
  }

  /** The one that came with the template, if it did. */
  async #takeStandby(): Promise<Spare | null> {
    const guest = this.#guest;
    try {
      const { pid } = await guest.call("standby.take", { name: replStandby.name });
      if (pid === null) return null;
      const child = await guest.attach(pid);
      const link = new ReplLink(await guest.dial({ process: pid }));
      return { child, link, socket: replStandby.socket };
    } catch (error) {
      if (error instanceof GuestError) return null; // it has ended in the meantime
      throw error;
    }
  }

  async #start(
    { cwd, stdin, stdout, stderr }: ReplOptions,
    env: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Spare> {
    const socket = this.newSocket();
    const child = await spawnDeno(this.#guest, {
      ...{ ...replCommand, args: [...replCommand.args] },
      ...{ env: { ...env, ...denoEnvironment }, clearEnv: true },
      ...{ cwd, stdin, stdout, stderr, channel: true },
    });
    try {
      const link = new ReplLink(await this.#guest.dial({ process: child.pid }, signal));
      await must(link, replPrelude(socket), signal);
      return { child, link, socket };
    } catch (error) {
      this.#guest.call("kill", { pid: child.pid, signal: "SIGKILL" }).catch(() => {});
      child.detach();
      throw error;
    }
  }
}

/** Variables that Deno reads when it starts, and never again. */
const readAtStart =
  /^(DENO_|NODE_|NPM_|npm_|SSL_|NO_COLOR$|FORCE_COLOR$|TZ$|LC_|HTTPS?_PROXY$|NO_PROXY$|https?_proxy$|no_proxy$|LD_|V8_|RUST_)/;

/** What makes a directory a project, which Deno looks for when it starts. */
const projectFiles = ["deno.json", "deno.jsonc", "package.json", "node_modules"] as const;

/** Starts Deno. @throws {CallFailure} `NotFound` when there is none. */
export async function spawnDeno(guest: Guest, params: SpawnParams): Promise<GuestProcess> {
  try {
    return await guest.spawn(params);
  } catch (error) {
    const isMissing =
      error instanceof GuestError &&
      error.errno === "ENOENT" &&
      error.message.endsWith("spawn 'deno'");
    if (!isMissing) throw error;
    const message =
      "The machine has no `deno` in its PATH; install it, or use an image that has it.";
    throw throwing("NotFound", message, "ENOENT");
  }
}

/** Runs code of ours, which does not throw. */
async function must(link: ReplLink, code: string, signal: AbortSignal): Promise<void> {
  const result = await untilAborted(link.run(code, { output: false }), signal);
  if (result.type === "RunSuccess") return;
  const why = result.type === "Error" ? `: ${result.error}` : "";
  throw throwing("Error", `The REPL could not be prepared${why}`, null);
}
