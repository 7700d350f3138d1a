import { headers, limits, SandboxId, type CreateConfig } from "@skerry/protocol";

import { encodeBase64 } from "./base64.ts";
import { environmentDefaults, type EnvironmentDefaults } from "./config.ts";
import { parseLifetime, type Lifetime } from "./durations.ts";
import {
  InvalidOptionError,
  InvalidTokenError,
  MissingEndpointError,
  MissingTokenError,
} from "./errors.ts";
import { parseMemorySize, type MemorySize } from "./memory-size.ts";
import type { SecretConfig } from "./secrets.ts";

/** Which server to talk to, and as whom. */
export interface ServerOptions {
  /** `http://127.0.0.1:8420`. Default: `SKERRY_ENDPOINT`, then `DENO_SANDBOX_ENDPOINT`. */
  readonly endpoint?: string | undefined;
  /** The official client's word for `endpoint`; it may depend on the region. */
  readonly sandboxEndpoint?: string | ((region: string) => string) | undefined;
  /** The access token. Default: `SKERRY_TOKEN`, then `DENO_DEPLOY_TOKEN`. */
  readonly token?: string | undefined;
}

export interface ConnectOptions extends ServerOptions {
  /** Gives up connecting. */
  readonly signal?: AbortSignal | undefined;
  /** Writes what happens to the connection to stderr. Default `false`. */
  readonly debug?: boolean | undefined;
  /**
   * How bytes travel: `"binary"`, the default, where the server has it; `"json"` as the official clients
   * send them, as text, which is slower and cannot be taken up again when the connection drops.
   */
  readonly encoding?: "binary" | "json" | undefined;
}

/** What kind of sandbox to create. What the server does not offer, it refuses by name. */
export interface SandboxOptions extends ConnectOptions {
  /**
   * How long it lives: `"session"`, the default, is as long as this connection; a duration such as
   * `"15m"` goes on without it.
   */
  readonly timeout?: Lifetime | undefined;
  /** The same as `timeout`. */
  readonly lifetime?: Lifetime | undefined;
  /** Memory: bytes, or a text with a unit. Default: the server's, 1280 MiB. */
  readonly memory?: MemorySize | undefined;
  /** Memory in MiB; the other way to say `memory`. */
  readonly memoryMb?: number | undefined;
  /** At most 5; keys of at most 64 bytes, values of at most 128 bytes. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Variables that are there before the first command. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Three letters, as `"ord"`. Default: the server's first region. */
  readonly region?: string | undefined;
  /** Hosts that the sandbox may reach. Absent: all; `[]`: none. */
  readonly allowNet?: readonly string[] | undefined;
  /** The port of an HTTP server that is to be reached by everybody, at `sandbox.url`. */
  readonly port?: number | undefined;
  /** By the names of the variables that stand for them in the sandbox. */
  readonly secrets?: Readonly<Record<string, SecretConfig>> | undefined;
  /** Gives a way in by SSH: `sandbox.ssh`. Default `false`. */
  readonly ssh?: boolean | undefined;
  /** The volume or snapshot to start from. */
  readonly root?: string | undefined;
  /** Volumes by the path where each is mounted. */
  readonly volumes?: Readonly<Record<string, string>> | undefined;
}

/** @internal A server, and how to be let in. */
export interface Server {
  readonly endpoint: URL;
  readonly token: string;
}

/**
 * @internal Finds out which server is meant.
 *
 * @throws {MissingEndpointError} @throws {MissingTokenError} @throws {InvalidOptionError}
 */
export function serverOf(
  options: ServerOptions & { readonly region?: string | undefined },
  defaults: EnvironmentDefaults = environmentDefaults(),
): Server {
  const { sandboxEndpoint } = options;
  const named =
    typeof sandboxEndpoint === "function"
      ? sandboxEndpoint(options.region ?? "ord")
      : sandboxEndpoint;
  const endpoint = options.endpoint ?? named ?? defaults.endpoint;
  if (endpoint === undefined) throw new MissingEndpointError();
  const token = options.token ?? defaults.token;
  if (token === undefined || token === "") throw new MissingTokenError();
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new InvalidTokenError("The access token contains characters that no token has.");
  }
  return { endpoint: endpointUrl(endpoint), token };
}

function endpointUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    throw new InvalidOptionError(`Invalid endpoint: ${JSON.stringify(text)}.`, {
      remedy: 'Pass an address like "http://127.0.0.1:8420".',
    });
  }
  return url;
}

/** @internal The headers that ask for a sandbox. `nowMs` is the Unix time in ms. */
export function createHeaders(options: SandboxOptions, nowMs: number): Record<string, string> {
  const config = asciiJson(createConfig(options, nowMs));
  const encoded = encodeBase64(new TextEncoder().encode(config));
  if (encoded.length > limits.createHeaderBytesMax) {
    throw new InvalidOptionError(
      `The options of the sandbox are ${encoded.length} bytes long, ${limits.createHeaderBytesMax} are allowed.`,
      { remedy: "Set large variables or files after the sandbox is created." },
    );
  }
  const region = options.region === undefined ? {} : { [headers.region]: options.region };
  return { ...region, [headers.config]: encoded };
}

function createConfig(options: SandboxOptions, nowMs: number): CreateConfig {
  const { env, labels, root, secrets, volumes } = options;
  const lifetime = sameOf("timeout", options.timeout, "lifetime", options.lifetime);
  const lifetimeMs = lifetime === undefined ? undefined : parseLifetime(lifetime);
  return {
    stop_at_ms: lifetimeMs === undefined ? undefined : nowMs + lifetimeMs,
    memory_mb: memoryMiB(options),
    labels,
    env,
    root: root === undefined ? undefined : { volume: root },
    volumes: volumes && Object.entries(volumes).map(([path, volume]) => ({ volume, path })),
    allow_net: options.allowNet && [...options.allowNet],
    secrets: secrets && secretsOf(secrets),
  };
}

function secretsOf(secrets: Readonly<Record<string, SecretConfig>>): CreateConfig["secrets"] {
  return Object.fromEntries(
    Object.entries(secrets).map(([name, { hosts, value, in: places }]) => [
      name,
      { hosts, value, in: places },
    ]),
  );
}

function memoryMiB({ memory, memoryMb }: SandboxOptions): number | undefined {
  const parsed = memory === undefined ? undefined : parseMemorySize(memory);
  return sameOf("memory", parsed, "memoryMb", memoryMb);
}

/** An option that has two names. */
function sameOf<T>(name: string, value: T, otherName: string, other: T): T {
  if (value !== undefined && other !== undefined && value !== other) {
    throw new InvalidOptionError(`'${name}' and '${otherName}' say different things.`, {
      remedy: "Pass one of them.",
    });
  }
  return value ?? other;
}

/** JSON of ASCII alone, so that it reads the same in whatever way base64 is turned into text. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** @internal @throws {InvalidOptionError} when it is no sandbox id. */
export function sandboxIdOf(id: unknown): SandboxId {
  const parsed = SandboxId.safeParse(id);
  if (parsed.success) return parsed.data;
  throw new InvalidOptionError(`Invalid sandbox ID: ${String(id)}`, {
    remedy: "An ID looks like sbx_ord_ followed by 20 letters and digits.",
  });
}
