import { paths, regionOf, type SandboxId } from "@skerry/protocol";

import { Api } from "./api.ts";
import type { ChildProcess } from "./child-process.ts";
import { shellOf, type Shell } from "./command.ts";
import { Connection } from "./connection.ts";
import { SandboxDeno } from "./deno.ts";
import { dial, type DialTarget, type SandboxConnection } from "./dial.ts";
import type { Duration } from "./durations.ts";
import { SandboxEnvironment } from "./environment.ts";
import type { ConnectionError } from "./errors.ts";
import {
  expiry,
  exposeRequest,
  targetOf,
  type ExposeTarget,
  type PrivateOptions,
} from "./expose.ts";
import { fetchFrom, type FetchOptions } from "./fetch.ts";
import { SandboxFiles } from "./files.ts";
import { Line } from "./line.ts";
import { SandboxListener, type ListenTarget } from "./listen.ts";
import { SandboxNetwork } from "./network.ts";
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
import { SandboxSecrets } from "./secrets.ts";
import { spawn, type SpawnOptions } from "./spawn.ts";
import type { SshAccess } from "./ssh.ts";
import { debugLine } from "./standard-streams.ts";
import type { TransferOptions, TransferResult } from "./transfer/transfer.ts";
import { startVsCode, type VsCode, type VsCodeOptions } from "./vscode.ts";

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
  /** What it may reach. */
  readonly network: SandboxNetwork;
  /** What it may use without seeing it. */
  readonly secrets: SandboxSecrets;
  /** Makes shell commands: `` await sandbox.sh`ls ${directory}` ``. */
  readonly sh: Shell;

  readonly #line: Line;
  readonly #rpc: Rpc;
  readonly #api: Api;
  #url: string | undefined;
  #ssh: SshAccess | undefined;

  private constructor(id: SandboxId, server: Server, line: Line, rpc: Rpc) {
    this.id = id;
    this.#line = line;
    this.#rpc = rpc;
    this.#api = new Api(server);
    this.fs = new SandboxFiles(rpc);
    this.env = new SandboxEnvironment(rpc);
    this.deno = new SandboxDeno(rpc);
    this.network = new SandboxNetwork(id, this.#api);
    this.secrets = new SandboxSecrets(id, this.#api);
    this.sh = shellOf((command, options) => this.spawn(command, options));
  }

  /**
   * Creates a sandbox and connects to it.
   *
   * @throws {ApiError} when the server refuses, with its code. @throws {ConnectionError} when it
   * cannot be reached. @throws {InvalidOptionError} when an option cannot be used.
   */
  static async create(options: SandboxOptions = {}): Promise<Sandbox> {
    const lifetime = options.timeout ?? options.lifetime ?? "session";
    const { port } = options;
    if (port !== undefined) targetOf({ port }); // before anything is made
    const sandbox = await Sandbox.#open(paths.create, createHeaders(options, Date.now()), options, {
      isLasting: lifetime !== "session",
    });
    try {
      if (port !== undefined) sandbox.#url = await sandbox.exposeHttp({ port });
      if (options.ssh === true) sandbox.#ssh = await sandbox.exposeSsh();
      return sandbox;
    } catch (error) {
      await sandbox.kill(); // it is not what was asked for
      throw error;
    }
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
    const server = { ...used, region: regionOf(known) };
    const about = { isLasting: true, expectedId: known };
    return Sandbox.#open(connectPath(known), {}, server, about);
  }

  /**
   * Resolves, with the reason, when the connection has ended and no other takes its place. To a sandbox
   * that lives longer than its connection, the client comes back by itself for 30 seconds; calls that
   * were on their way then fail, processes and their output go on. Never rejects.
   */
  get closed(): Promise<ConnectionError> {
    return this.#line.closed;
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

  /**
   * Connects to a server inside the sandbox, whether anything else reaches it or not.
   *
   * @throws {OperationError} `ECONNREFUSED` when nothing listens there, and so on.
   */
  async dial(target: DialTarget): Promise<SandboxConnection> {
    return dial(this.#rpc, target);
  }

  /**
   * Listens inside the sandbox, so that programs there reach a server that is outside: what connects
   * is given to the caller.
   *
   * @throws {OperationError} `EADDRINUSE` when something listens there already, and so on.
   */
  async listen(target: ListenTarget): Promise<SandboxListener> {
    return SandboxListener.open(this.#rpc, target);
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

  /**
   * Gives an HTTP server in the sandbox an address that others reach, until the sandbox ends. **Everybody
   * who knows it can send requests**, unless it is `private`. Each call gives another.
   *
   * @returns `https://…`; with a signature when it is private.
   * @throws {ApiError} `TOO_MANY_NAMES`, `INGRESS_OFF`. @throws {InvalidOptionError}
   */
  async exposeHttp(target: ExposeTarget): Promise<string> {
    const to = targetOf(target);
    const { domain, url } = await this.#api.expose(this.id, exposeRequest(target));
    await this.#rpc.call("exposeHttp", { domain, ...to });
    return target.private === true ? url : `https://${domain}`;
  }

  /**
   * Signs another address of a private name, with any path and query.
   *
   * @throws {ApiError} `NAME_NOT_FOUND`, `INVALID_REQUEST`.
   */
  async signUrl(url: string | URL, options: PrivateOptions = {}): Promise<string> {
    return this.#api.sign(this.id, { url: String(url), ...expiry(options) });
  }

  /** The address of the `port` that it was created with. */
  get url(): string | undefined {
    return this.#url;
  }

  /**
   * Gives a way in by SSH, as long as the sandbox runs. **Whoever knows the username may enter.** Each call
   * gives another.
   *
   * @throws {ApiError} `SSH_OFF`
   */
  async exposeSsh(): Promise<SshAccess> {
    return this.#api.exposeSsh(this.id);
  }

  /** The way in that the option `ssh` has asked for. */
  get ssh(): SshAccess | undefined {
    return this.#ssh;
  }

  /**
   * Starts VS Code in the sandbox and gives it an address, which is good for one opening in a browser. The first time on
   * a host takes a minute more.
   *
   * @param path The folder to open.
   * @throws {RpcError} `EDITOR_UNAVAILABLE`, `INGRESS_OFF`. @throws {OperationError} when there is no such folder.
   */
  async exposeVscode(path = "/home/app", options: VsCodeOptions = {}): Promise<VsCode> {
    return startVsCode(this.#rpc, path, options, async (port) => {
      const { domain } = await this.#api.exposeVscode(this.id);
      await this.#rpc.call("exposeHttp", { domain, port });
      return `https://${domain}`;
    });
  }

  /** @throws {NotImplementedError} always: apps are not there yet. */
  async deploy(app: string, options?: object): Promise<never> {
    return this.deno.deploy(app, options);
  }

  /** Ends the connection. A `"session"` sandbox that was created here ends with it. */
  async close(): Promise<void> {
    await this.#line.close();
  }

  /** Ends the sandbox at once. @throws {ApiError} when the server refuses. */
  async kill(): Promise<void> {
    await this.#api.kill(this.id);
    await this.#line.close();
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
    { isLasting, expectedId }: { readonly isLasting: boolean; readonly expectedId?: SandboxId },
  ): Promise<Sandbox> {
    options.signal?.throwIfAborted();
    const server = serverOf(options);
    const authorization = `Bearer ${server.token}`;
    const connect = (to: string, more: Readonly<Record<string, string>> = {}): Connection => {
      const url = new URL(to, server.endpoint);
      url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
      const { encoding } = options;
      return new Connection({ url, headers: { ...more, authorization }, encoding });
    };
    const connection = connect(path, headers);
    const line = new Line(connection);
    const rpc = new Rpc(line);
    await connection.opened(options.signal);
    try {
      const id = sandboxIdOf(connection.sandboxId ?? expectedId);
      if (isLasting) line.last(() => connect(connectPath(id)));
      if (options.debug === true) logLife(id, connection, line);
      return new Sandbox(id, server, line, rpc);
    } catch (error) {
      line.terminate();
      throw error;
    }
  }
}

function connectPath(id: SandboxId): string {
  return paths.connect.replace("{id}", id);
}

function logLife(id: SandboxId, connection: Connection, line: Line): void {
  debugLine(`connected to ${id}, trace ${connection.traceId ?? "none"}`);
  void line.closed.then(({ message }) => debugLine(message));
}
