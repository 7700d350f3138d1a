import { Api } from "./api.ts";
import type { Duration } from "./durations.ts";
import { NotImplementedError } from "./errors.ts";
import {
  sandboxIdOf,
  serverOf,
  type ConnectOptions,
  type SandboxOptions,
  type ServerOptions,
} from "./options.ts";
import { Sandbox } from "./sandbox.ts";
import { serverStatus, type ServerStatus } from "./server-status.ts";
import { SshKeys } from "./ssh-keys.ts";
import { Tokens } from "./tokens.ts";
import { Organizations, Users } from "./users.ts";

/** One sandbox in a list. */
export interface SandboxMetadata {
  readonly id: string;
  readonly region: string;
  readonly status: "running" | "stopped";
  readonly createdAt: Date;
  /** `null` while it runs. */
  readonly stoppedAt: Date | null;
  readonly labels: Readonly<Record<string, string>>;
  /** Memory in MiB. */
  readonly memoryMb: number;
  /** When it will stop; `null` for one that ends with its connection. */
  readonly stopAt: Date | null;
}

/** One thing that happened to a sandbox. */
export interface SandboxEvent {
  readonly at: Date;
  /** `"created"`, `"command-started"`, `"command-ended"` and so on. */
  readonly kind: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

interface Wait {
  readonly signal?: AbortSignal | undefined;
}

export interface SandboxesListOptions extends Wait {
  /** Only those that have all these labels. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** The sandboxes of a server. */
export class Sandboxes {
  readonly #server: ServerOptions;
  readonly #api: Api;

  /** @internal */
  constructor(server: ServerOptions, api: Api) {
    this.#server = server;
    this.#api = api;
  }

  /** As `Sandbox.create`, on this server. */
  async create(options: SandboxOptions = {}): Promise<Sandbox> {
    return Sandbox.create({ ...this.#server, ...options });
  }

  /** As `Sandbox.connect`, on this server. */
  async connect(id: string, options: ConnectOptions = {}): Promise<Sandbox> {
    return Sandbox.connect(id, { ...this.#server, ...options });
  }

  /** The sandboxes that have all these labels; default: every one. */
  async list(options: SandboxesListOptions = {}): Promise<SandboxMetadata[]> {
    const summaries = await this.#api.list(options.labels ?? {}, options.signal);
    return summaries.map((summary) => ({
      ...summary,
      createdAt: new Date(summary.createdAt),
      stoppedAt: summary.stoppedAt === null ? null : new Date(summary.stoppedAt),
      stopAt: summary.stopAt === null ? null : new Date(summary.stopAt),
    }));
  }

  /** What happened to a sandbox, oldest first; also to one that ended in the last days. */
  async events(id: string, options: Wait = {}): Promise<SandboxEvent[]> {
    const events = await this.#api.events(sandboxIdOf(id), options.signal);
    return events.map((event) => ({ ...event, at: new Date(event.at) }));
  }

  /** Ends a sandbox at once, without connecting to it. */
  async kill(id: string, options: Wait = {}): Promise<void> {
    await this.#api.kill(sandboxIdOf(id), options.signal);
  }

  /** Lets a sandbox live for `duration` from now on. @returns When it will stop. */
  async extendTimeout(id: string, duration: Duration, options: Wait = {}): Promise<Date> {
    return this.#api.extend(sandboxIdOf(id), duration, options.signal);
  }
}

/** A server, for those who do more than create one sandbox. */
export class Client {
  readonly sandboxes: Sandboxes;
  readonly sshKeys: SshKeys;
  readonly users: Users;
  readonly organizations: Organizations;
  readonly tokens: Tokens;
  readonly #api: Api;

  /** @throws {MissingTokenError} @throws {MissingEndpointError} @throws {InvalidOptionError} */
  constructor(options: ServerOptions = {}) {
    const { endpoint, token } = serverOf(options);
    this.#api = new Api({ endpoint, token });
    this.sshKeys = new SshKeys(this.#api);
    this.users = new Users(this.#api);
    this.organizations = new Organizations(this.#api);
    this.tokens = new Tokens(this.#api);
    this.sandboxes = new Sandboxes({ endpoint: endpoint.href, token }, this.#api);
  }

  /** @throws {NotImplementedError} always, as the others here: they are not there yet. */
  get apps(): never {
    throw new NotImplementedError("Managing apps");
  }
  get layers(): never {
    throw new NotImplementedError("Managing layers");
  }
  get revisions(): never {
    throw new NotImplementedError("Managing revisions");
  }
  get snapshots(): never {
    throw new NotImplementedError("Managing snapshots");
  }
  get timelines(): never {
    throw new NotImplementedError("Managing timelines");
  }
  get volumes(): never {
    throw new NotImplementedError("Managing volumes");
  }

  /** How the server is. */
  async status(options: Wait = {}): Promise<ServerStatus> {
    return serverStatus(await this.#api.request("GET", "/api/v1/status", options));
  }
}
