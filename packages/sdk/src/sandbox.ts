import { paths, regionOf, type SandboxId } from "@skerry/protocol";

import { Api } from "./api.ts";
import type { ChildProcess } from "./child-process.ts";
import { shellOf, type Shell } from "./command.ts";
import { Connection } from "./connection.ts";
import { SandboxDeno } from "./deno.ts";
import type { Duration } from "./durations.ts";
import { SandboxEnvironment } from "./environment.ts";
import { NotImplementedError, type ConnectionError } from "./errors.ts";
import { fetchFrom, type FetchOptions } from "./fetch.ts";
import { SandboxFiles } from "./files.ts";
import {
  createHeaders,
  sandboxIdOf,
  serverOf,
  type ConnectOptions,
  type SandboxOptions,
  type Server,
} from "./options.ts";
import type { SandboxPath } from "./path.ts";
import { Rpc } from "./rpc.ts";
import { spawn, type SpawnOptions } from "./spawn.ts";
import { debugLine } from "./standard-streams.ts";
import type { TransferOptions, TransferResult } from "./transfer/transfer.ts";

/**
 * A Linux machine of one's own, and the connection to it.
 *
 * ```ts
 * await using sandbox = await Sandbox.create();
 * const name = await sandbox.sh`uname -a`.text();
 * ```
 */
export class Sandbox implements AsyncDisposable {
  /** `sbx_<region>_<20 letters and digits>` */
  readonly id: SandboxId;
  /** Its files. */
  readonly fs: SandboxFiles;
  /** Its environment variables. */
  readonly env: SandboxEnvironment;
  /** Deno in it: programs, REPLs, evaluations. */
  readonly deno: SandboxDeno;
  /** Makes shell commands: `` await sandbox.sh`ls ${directory}` ``. */
  readonly sh: Shell;

  readonly #connection: Connection;
  readonly #rpc: Rpc;
  readonly #api: Api;

  private constructor(id: SandboxId, server: Server, connection: Connection, rpc: Rpc) {
    this.id = id;
    this.#connection = connection;
    this.#rpc = rpc;
    this.#api = new Api(server);
    this.fs = new SandboxFiles(rpc);
    this.env = new SandboxEnvironment(rpc);
    this.deno = new SandboxDeno(rpc);
    this.sh = shellOf((command, options) => this.spawn(command, options));
  }

  /**
   * Creates a sandbox and connects to it.
   *
   * @throws {ApiError} when the server refuses, with its code. @throws {ConnectionError} when it
   * cannot be reached. @throws {InvalidOptionError} when an option cannot be used.
   */
  static async create(options: SandboxOptions = {}): Promise<Sandbox> {
    return Sandbox.#open(paths.create, createHeaders(options, Date.now()), options);
  }

  /**
   * Connects to a sandbox that runs. It does not end when this connection does.
   *
   * @throws {ApiError} `SANDBOX_NOT_FOUND` when it does not run, and as {@link create}.
   */
  static async connect(id: string, options?: ConnectOptions): Promise<Sandbox>;
  static async connect(options: { readonly id: string } & ConnectOptions): Promise<Sandbox>;
  static async connect(
    target: string | ({ readonly id: string } & ConnectOptions),
    options: ConnectOptions = {},
  ): Promise<Sandbox> {
    const [id, used] = typeof target === "string" ? [target, options] : [target.id, target];
    const known = sandboxIdOf(id);
    const path = paths.connect.replace("{id}", known);
    return Sandbox.#open(path, {}, { ...used, region: regionOf(known) }, known);
  }

  /** Resolves, with the reason, when the connection has ended for whatever reason. Never rejects. */
  get closed(): Promise<ConnectionError> {
    return this.#connection.closed;
  }

  /**
   * Starts a program, without a shell.
   *
   * @throws {OperationError} `ENOENT` when there is no such program, and so on.
   */
  async spawn(command: SandboxPath, options: SpawnOptions = {}): Promise<ChildProcess> {
    return spawn(this.#rpc, command, options);
  }

  /**
   * Sends an HTTP request from inside the sandbox, over its network.
   *
   * @throws {OperationError} `TypeError`, as `fetch` throws it.
   */
  async fetch(url: string | URL, options: FetchOptions = {}): Promise<Response> {
    return fetchFrom(this.#rpc, url, options);
  }

  /** The same as `fs.upload`. */
  async upload(
    localPath: string | URL,
    sandboxPath: SandboxPath,
    options: TransferOptions = {},
  ): Promise<TransferResult> {
    return this.fs.upload(localPath, sandboxPath, options);
  }

  /** The same as `fs.download`. */
  async download(
    sandboxPath: SandboxPath,
    localPath: string | URL,
    options: TransferOptions = {},
  ): Promise<TransferResult> {
    return this.fs.download(sandboxPath, localPath, options);
  }

  /** @throws {NotImplementedError} always, as the two below: they are not there yet. */
  async exposeHttp(_target: { readonly port: number } | { readonly pid: number }): Promise<never> {
    throw new NotImplementedError("Exposing HTTP");
  }

  async exposeSsh(): Promise<never> {
    throw new NotImplementedError("Exposing SSH");
  }

  async exposeVscode(_path?: string, _options?: object): Promise<never> {
    throw new NotImplementedError("Exposing VS Code");
  }

  /** @throws {NotImplementedError} always: apps are not there yet. */
  async deploy(app: string, options?: object): Promise<never> {
    return this.deno.deploy(app, options);
  }

  /** Ends the connection. A `"session"` sandbox that was created here ends with it. */
  async close(): Promise<void> {
    await this.#connection.close();
  }

  /** Ends the sandbox at once. @throws {ApiError} when the server refuses. */
  async kill(): Promise<void> {
    await this.#api.kill(this.id);
    await this.#connection.close();
  }

  /**
   * Lets the sandbox live for `duration` from now on.
   *
   * @returns When it will stop: the server may grant less than was asked for.
   */
  async extendTimeout(duration: Duration): Promise<Date> {
    return this.#api.extend(this.id, duration);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Sandbox { id: '${this.id}' }`;
  }

  static async #open(
    path: string,
    headers: Readonly<Record<string, string>>,
    options: ConnectOptions & { readonly region?: string | undefined },
    expectedId?: string,
  ): Promise<Sandbox> {
    options.signal?.throwIfAborted();
    const server = serverOf(options);
    const url = new URL(path, server.endpoint);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const authorization = `Bearer ${server.token}`;
    const connection = new Connection({ url, headers: { ...headers, authorization } });
    const rpc = new Rpc(connection);
    await connection.opened(options.signal);
    try {
      const id = sandboxIdOf(connection.sandboxId ?? expectedId);
      if (options.debug === true) logLife(id, connection);
      return new Sandbox(id, server, connection, rpc);
    } catch (error) {
      connection.terminate();
      throw error;
    }
  }
}

function logLife(id: SandboxId, connection: Connection): void {
  debugLine(`connected to ${id}, trace ${connection.traceId ?? "none"}`);
  void connection.closed.then(({ message }) => debugLine(message));
}
