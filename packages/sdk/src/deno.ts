import { WatcherRestart, watcherRestart, type DenoExtension } from "@skerry/protocol";

import { ChildProcess, type ChildStreams } from "./child-process.ts";
import { NotImplementedError, OperationError } from "./errors.ts";
import { fetchFrom, type FetchOptions } from "./fetch.ts";
import { pathText, type SandboxPath } from "./path.ts";
import type { Rpc } from "./rpc.ts";
import { start, type SpawnOptions } from "./spawn.ts";
import { decodeValue, encodeArguments } from "./values.ts";

export type { DenoExtension as CodeExtension };

export interface DenoReplOptions extends Omit<SpawnOptions, "args" | "pty"> {
  /** What the program finds in `Deno.args`. */
  readonly scriptArgs?: readonly string[] | undefined;
}

/** What Deno is to run: a file, or code. */
export type DenoRunOptions = DenoReplOptions &
  (
    | {
        /** The path or the URL of a module. */
        readonly entrypoint: SandboxPath;
        /**
         * Starts the program again when a module of it changes, or one of these paths. Each time the
         * process has a `restart` event. Default `false`.
         */
        readonly watch?: boolean | readonly string[] | undefined;
      }
    | {
        readonly code: string;
        /** What the code is written in. Default `"ts"`. */
        readonly extension?: DenoExtension | undefined;
      }
  );

/** A Deno process of a sandbox. It has a `restart` event when it is watched and starts over. */
export class DenoProcess extends ChildProcess {
  /**
   * Whether it serves HTTP: `true` as soon as the first server of `Deno.serve` or `node:http`
   * accepts, `false` when the process ends without one.
   */
  readonly httpReady: Promise<boolean>;
  readonly #rpc: Rpc;

  /** @internal Use `sandbox.deno.run()`. */
  constructor(rpc: Rpc, pid: number, streams: ChildStreams) {
    super(rpc, pid, streams);
    this.#rpc = rpc;
    this.httpReady = streams.isKept
      ? rpc.callAgain("denoHttpWait", { pid })
      : rpc.call("denoHttpWait", { pid });
    this.httpReady.catch(() => {}); // nobody needs to ask
  }

  /**
   * Sends a request to the first HTTP server of this process, whatever host the URL names; waits for
   * the server when it is not there yet.
   *
   * @throws {OperationError} `TypeError`, as `fetch` throws it.
   */
  async fetch(url: string | URL, options: FetchOptions = {}): Promise<Response> {
    return fetchFrom(this.#rpc, url, options, this.pid);
  }
}

/** A REPL of Deno in a sandbox: it keeps its state from one evaluation to the next. */
export class DenoRepl extends DenoProcess {
  readonly #rpc: Rpc;

  /** @internal Use `sandbox.deno.repl()`. */
  constructor(rpc: Rpc, pid: number, streams: ChildStreams) {
    super(rpc, pid, streams);
    this.#rpc = rpc;
  }

  /**
   * Evaluates TypeScript; top-level `await`, `import` and declaring a name again are all right.
   *
   * @returns the value of the last statement, with its type where that is one of the language.
   * @throws {OperationError} what the code throws: its class in `name`, its stack in `stack`.
   */
  async eval<T = unknown>(code: string): Promise<T> {
    const params = { pid: this.pid, code, encoding: "devalue" } as const;
    return decodeValue(await this.#rpc.call("denoReplEval", params)) as T; // the caller knows its code
  }

  /** Calls a function of the REPL by name, or one that is written here. As {@link eval}. */
  async call<T = unknown>(fn: string, ...args: readonly unknown[]): Promise<T> {
    const given = encodeArguments(args);
    const params = { pid: this.pid, fn, args: given, encoding: "devalue" } as const;
    return decodeValue(await this.#rpc.call("denoReplCall", params)) as T; // as above
  }

  /** Ends it; when it has ended already, there is nothing to do. */
  async close(): Promise<void> {
    try {
      await this.#rpc.call("denoReplClose", { pid: this.pid });
    } catch (error) {
      if (!(error instanceof OperationError && error.code === "ENOENT")) throw error;
    }
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    await this.status;
  }
}

/** What has to do with Deno in a sandbox. */
export class SandboxDeno {
  readonly #rpc: Rpc;
  readonly #watched = new Map<string, DenoProcess>();

  /** @internal */
  constructor(rpc: Rpc) {
    this.#rpc = rpc;
    rpc.onNotification = (method, params) => {
      if (method !== watcherRestart) return; // from a newer server
      const { watcherId } = WatcherRestart.parse(params);
      this.#watched.get(watcherId)?.dispatchEvent(new Event("restart"));
    };
  }

  /** Runs a program with all permissions. @throws {OperationError} `NotFound` when there is no Deno. */
  async run(options: DenoRunOptions): Promise<DenoProcess> {
    const program =
      "entrypoint" in options
        ? { entrypoint: entrypointText(options.entrypoint), watch: watchOf(options.watch) }
        : { code: options.code, extension: options.extension ?? "ts" };
    const scriptArgs = options.scriptArgs && [...options.scriptArgs];
    const { spawned, streams } = await start(this.#rpc, options, (common) =>
      this.#rpc.call("spawnDeno", { ...program, ...common, scriptArgs }),
    );
    const child = new DenoProcess(this.#rpc, spawned.pid, streams);
    const { watcherId } = spawned;
    if (watcherId !== null) {
      this.#watched.set(watcherId, child);
      const forget = (): void => void this.#watched.delete(watcherId);
      child.status.then(forget, forget);
    }
    if (options.signal !== undefined) child.follow(options.signal);
    return child;
  }

  /** Evaluates code in a REPL of its own. See {@link DenoRepl.eval}. */
  async eval<T = unknown>(code: string): Promise<T> {
    const repl = await this.repl();
    try {
      return await repl.eval<T>(code);
    } finally {
      await repl.close();
    }
  }

  /** Starts a REPL. @throws {OperationError} `NotFound` when there is no Deno. */
  async repl(options: DenoReplOptions = {}): Promise<DenoRepl> {
    const scriptArgs = options.scriptArgs && [...options.scriptArgs];
    const { spawned, streams } = await start(this.#rpc, options, (common) =>
      this.#rpc.call("spawnDenoRepl", { ...common, scriptArgs }),
    );
    const repl = new DenoRepl(this.#rpc, spawned.pid, streams);
    if (options.signal !== undefined) repl.follow(options.signal);
    return repl;
  }

  /** @throws {NotImplementedError} always: apps are not there yet. */
  async deploy(_app: string, _options?: object): Promise<never> {
    throw new NotImplementedError("Deploying to an app");
  }
}

/** A URL that is no `file:` URL names a module elsewhere. */
function entrypointText(entrypoint: SandboxPath): string {
  return entrypoint instanceof URL && entrypoint.protocol !== "file:"
    ? entrypoint.href
    : pathText(entrypoint);
}

function watchOf(watch: boolean | readonly string[] | undefined): boolean | string[] | undefined {
  return typeof watch === "object" ? [...watch] : watch;
}
