import {
  CreateConfig,
  Labels,
  limits,
  networkPolicyOf,
  SandboxError,
  SecretConfig,
  secretGrantOf,
  type NetworkPolicy,
  type SecretGrant,
} from "@skerry/protocol";

import type { SandboxSpec } from "../sandboxes/spec.ts";
import { makePlaceholder } from "../secrets/placeholder.ts";

/** What this server allows. */
export interface CreateRules {
  readonly nowMs: number;
  readonly lifetimeMaxMs: number;
  readonly regions: readonly [string, ...string[]];
}

/** What tells the region of a new sandbox, beside its configuration. */
export interface RegionHints {
  /** The `host` header. */
  readonly host: string | undefined;
  /** Our own header for it. */
  readonly region: string | undefined;
}

/** What a client wants. */
export interface CreateWish extends SandboxSpec {
  /** The port that is to have a name at once; null: none. */
  readonly port: number | null;
  /** Whether it is to be entered by SSH. Nobody is told how here: `exposeSsh` says that, each time. */
  readonly ssh: boolean;
}

/**
 * Reads the configuration header of `create` into what is to be made. The header itself is never
 * logged and never part of an error.
 *
 * @throws {SandboxError} `INVALID_CONFIG`, `MEMORY_OUT_OF_RANGE`, `LIFETIME_OUT_OF_RANGE`,
 * `INVALID_LABELS`, `NOT_IMPLEMENTED`.
 */
export function readCreateConfig(
  header: string | undefined,
  hints: RegionHints,
  rules: CreateRules,
): CreateWish {
  const config = parseHeader(header);
  refuseLaterOptions(config);
  const env = readEnv(config);
  const secrets = readSecrets(config, env);
  return {
    region: readRegion(config, hints, rules.regions),
    memoryMiB: readMemory(config),
    labels: readLabels(config),
    env: { ...env, ...placeholders(secrets) },
    stopAtMs: readStopAt(config, rules),
    network: readNetwork(config),
    secrets,
    port: readPort(config),
    ssh: config.ssh === true,
  };
}

function readPort({ port = null }: CreateConfig): number | null {
  if (port === null || (Number.isInteger(port) && port >= 1 && port <= 65_535)) return port;
  throw new SandboxError("INVALID_CONFIG", "port: use a number from 1 to 65535");
}

function parseHeader(header: string | undefined): CreateConfig {
  if (header === undefined || header === "") return {};
  if (header.length > limits.createHeaderBytesMax) {
    throw new SandboxError("REQUEST_TOO_LARGE", "the configuration header");
  }
  const bytes = Buffer.from(header, "base64");
  // btoa() of the JavaScript client encodes Latin-1, others encode UTF-8. Latin-1 text beyond ASCII
  // is hardly ever valid UTF-8.
  const text = isUtf8(bytes) ? bytes.toString("utf8") : bytes.toString("latin1");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new SandboxError("INVALID_CONFIG", "it is not base64 of JSON");
  }
  const parsed = CreateConfig.safeParse(value);
  if (parsed.success) return parsed.data;
  const paths = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new SandboxError("INVALID_CONFIG", paths.join("; ").slice(0, 1_000));
}

function isUtf8(bytes: Buffer): boolean {
  return Buffer.from(bytes.toString("utf8"), "utf8").equals(bytes);
}

/** Options of features that are still to come: leaving them out in silence would be a lie. */
function refuseLaterOptions(config: CreateConfig): void {
  const later = {
    root: (config.root ?? null) !== null,
    volumes: Object.keys(config.volumes ?? {}).length > 0,
  };
  const names = Object.entries(later).flatMap(([name, isAsked]) => (isAsked ? [name] : []));
  if (names.length > 0) throw new SandboxError("NOT_IMPLEMENTED", `option ${names.join(", ")}`);
}

function readMemory(config: CreateConfig): number {
  const memoryMiB = config.memory_mb ?? limits.memoryDefaultMiB;
  const isInRange = memoryMiB >= limits.memoryMinMiB && memoryMiB <= limits.memoryMaxMiB;
  if (!isInRange || !Number.isInteger(memoryMiB)) {
    throw new SandboxError("MEMORY_OUT_OF_RANGE", `${memoryMiB} MiB`);
  }
  return memoryMiB;
}

function readLabels(config: CreateConfig): Readonly<Record<string, string>> {
  const parsed = Labels.safeParse(config.labels ?? {});
  if (parsed.success) return parsed.data;
  throw new SandboxError("INVALID_LABELS", parsed.error.issues[0]?.message);
}

function readEnv(config: CreateConfig): Readonly<Record<string, string>> {
  for (const [key, value] of Object.entries(config.env ?? {})) {
    if (key === "" || /[=\0]/.test(key) || value.includes("\0")) {
      throw new SandboxError("INVALID_CONFIG", `env: a name or value that no variable can have`);
    }
  }
  return config.env ?? {};
}

function readNetwork({ allow_net: entries }: CreateConfig): NetworkPolicy {
  try {
    return networkPolicyOf(entries);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new SandboxError("INVALID_CONFIG", `allow_net: ${error.message}`);
  }
}

/** What is wrong with a secret is told by its name, and never with its value. */
function readSecrets(
  { secrets: given }: CreateConfig,
  env: Readonly<Record<string, string>>,
): readonly SecretGrant[] {
  const entries = Object.entries(given ?? {});
  if (entries.length > limits.secretsMax) {
    throw new SandboxError("INVALID_CONFIG", `secrets: more than ${limits.secretsMax}`);
  }
  return entries.map(([name, value]) => {
    const parsed = SecretConfig.safeParse(value);
    if (!parsed.success) {
      const detail = `secrets: ${name.slice(0, 100)}: it has hosts, a list, and a value, a text`;
      throw new SandboxError("INVALID_CONFIG", detail);
    }
    if (Object.hasOwn(env, name)) {
      throw new SandboxError("INVALID_CONFIG", `secrets: ${name} is in env as well`);
    }
    try {
      return secretGrantOf(name, parsed.data, makePlaceholder());
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new SandboxError("INVALID_CONFIG", `secrets: ${error.message}`);
    }
  });
}

function placeholders(secrets: readonly SecretGrant[]): Readonly<Record<string, string>> {
  return Object.fromEntries(secrets.map(({ name, placeholder }) => [name, placeholder]));
}

function readStopAt(config: CreateConfig, rules: CreateRules): number | null {
  const { nowMs, lifetimeMaxMs } = rules;
  const asked = config.stop_at_ms ?? stopAtOf(config.timeout ?? config.lifetime ?? null, nowMs);
  if (asked === null) return null;
  if (!(asked > nowMs)) throw new SandboxError("LIFETIME_OUT_OF_RANGE", "it is in the past");
  if (asked > nowMs + lifetimeMaxMs + limits.lifetimeSkewMs) {
    throw new SandboxError("LIFETIME_OUT_OF_RANGE", `more than ${lifetimeMaxMs / 1000} s from now`);
  }
  return Math.min(Math.floor(asked), nowMs + lifetimeMaxMs);
}

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000 } as const;

function stopAtOf(timeout: string | null, nowMs: number): number | null {
  if (timeout === null || timeout === "session") return null;
  const [, digits, unit] = /^(\d{1,9})([smh])$/.exec(timeout) ?? [];
  if (digits === undefined || !(unit === "s" || unit === "m" || unit === "h")) {
    throw new SandboxError("INVALID_CONFIG", 'timeout: use "session", "90s", "5m" or "1h"');
  }
  return nowMs + Number(digits) * unitMs[unit];
}

/**
 * The first label of the host name when it is a region (`ord.example.com`), else what the client
 * names, else the default.
 */
function readRegion(
  config: CreateConfig,
  hints: RegionHints,
  regions: readonly [string, ...string[]],
): string {
  const label = hints.host?.split(".")[0]?.toLowerCase();
  if (label !== undefined && regions.includes(label)) return label;
  const named = hints.region ?? config.region ?? regions[0];
  if (regions.includes(named)) return named;
  throw new SandboxError("INVALID_CONFIG", `region: this server has ${regions.join(", ")}`);
}
