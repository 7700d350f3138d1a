import { z } from "zod";

import { SandboxId } from "./ids.ts";
import { limits } from "./limits.ts";
import { SshEndpoint } from "./ssh.ts";

/**
 * The HTTP side of the public API (v3 for one sandbox, v2 for lists), as the official clients use
 * it. Paths are templates with `{id}`.
 */
export const paths = {
  create: "/api/v3/sandboxes/create",
  connect: "/api/v3/sandbox/{id}/connect",
  sandbox: "/api/v3/sandbox/{id}",
  /** What the official Python client calls where the JavaScript one has {@link paths.sandbox}. */
  sandboxPlural: "/api/v3/sandboxes/{id}",
  /** Reserves a name for what the sandbox serves; `exposeHttp` on the socket then says what that is. */
  exposeHttp: "/api/v3/sandbox/{id}/expose/http",
  exposeHttpPlural: "/api/v3/sandboxes/{id}/expose/http",
  exposeSsh: "/api/v3/sandbox/{id}/expose/ssh",
  exposeSshPlural: "/api/v3/sandboxes/{id}/expose/ssh",
  /** Reserves a private name for an editor; `exposeHttp` on the socket then says where that is. */
  exposeVscode: "/api/v3/sandbox/{id}/expose/vscode",
  exposeVscodePlural: "/api/v3/sandboxes/{id}/expose/vscode",
  /** Ours: a WebSocket that is a terminal. */
  terminal: "/api/v1/sandboxes/{id}/terminal",
  sshKeys: "/users/me/ssh-keys",
  /** Ours: what the SSH gateway asks, and where it says that it is. */
  authorizeSsh: "/api/v1/ssh/authorize",
  sshEndpoint: "/api/v1/ssh/endpoint",
  /** Ours: who may do what. */
  organizations: "/api/v1/organizations",
  users: "/api/v1/users",
  me: "/api/v1/users/me",
  tokens: "/api/v1/tokens",
  /** Ours: signs another address of a private name. */
  signUrl: "/api/v1/sandboxes/{id}/urls",
  list: "/api/v2/sandboxes",
  /** The Python client's list. */
  listV3: "/api/v3/sandboxes",
} as const;

/** Headers of the handshake. Node's HTTP lowers their case. */
export const headers = {
  config: "x-deno-sandbox-config",
  sandboxId: "x-deno-sandbox-id",
  traceId: "x-deno-trace-id",
  organization: "x-deno-org",
  /** Ours: the region of a new sandbox when the host name does not tell it. */
  region: "x-skerry-region",
  /** Ours: the address of the port that was asked for in the configuration. */
  url: "x-skerry-url",
  /** Ours: the signature of a request to a private name. */
  urlToken: "x-skerry-token",
} as const;

/** The prefix of the tokens that the official clients accept without an organization. */
export const tokenPrefix = "ddo_";

const bytesOf = (text: string): number => Buffer.byteLength(text);

export const Labels = z
  .record(z.string(), z.string())
  .refine((labels) => Object.keys(labels).length <= limits.labelCountMax, {
    message: `at most ${limits.labelCountMax} labels`,
  })
  .refine(
    (labels) =>
      Object.entries(labels).every(
        ([key, value]) =>
          key.length > 0 &&
          bytesOf(key) <= limits.labelKeyBytesMax &&
          bytesOf(value) <= limits.labelValueBytesMax,
      ),
    {
      message: `keys of 1 to ${limits.labelKeyBytesMax} bytes, values of at most ${limits.labelValueBytesMax} bytes`,
    },
  );
export type Labels = z.infer<typeof Labels>;

/**
 * The configuration in the header of `create`. Both official clients' shapes: the JavaScript one
 * leaves out what is not set, the Python one sends `null`. Unknown fields are accepted, since newer
 * clients send more; fields of features that are not there yet are refused by control, by name.
 */
export const CreateConfig = z.object({
  /** Unix time in ms at which the sandbox stops; absent: it ends with its creating connection. */
  stop_at_ms: z.number().nullish(),
  /** The Python client's form of the same: `"session"`, `"90s"`, `"5m"`, `"1h"`. */
  timeout: z.string().nullish(),
  /** What older clients call `timeout`. */
  lifetime: z.string().nullish(),
  /** The Python client's; the JavaScript one tells the region by the host name. */
  region: z.string().nullish(),
  memory_mb: z.number().nullish(),
  labels: z.record(z.string(), z.string()).nullish(),
  /** Ours: variables that are there before the first command. The official clients set them later. */
  env: z.record(z.string(), z.string()).nullish(),
  root: z.object({ volume: z.string() }).nullish(),
  volumes: z
    .union([
      z.array(z.object({ volume: z.string(), path: z.string() })),
      z.record(z.string(), z.string()), // the Python client's: volumes by path
    ])
    .nullish(),
  allow_net: z.array(z.string()).nullish(),
  secrets: z.record(z.string(), z.unknown()).nullish(),
  /** The Python client's; the JavaScript one asks for these after it has connected. */
  ssh: z.boolean().nullish(),
  port: z.number().nullish(),
});
export type CreateConfig = z.infer<typeof CreateConfig>;

/** What a running sandbox may reach: read, and replaced as a whole. Null: everything. Ours. */
export const NetworkSettings = z.object({ allowNet: z.array(z.string()).nullable() });
export type NetworkSettings = z.infer<typeof NetworkSettings>;

export const ExtendRequest = z.object({ stop_at_ms: z.number() });
/** One thing that happened to a sandbox. */
export const SandboxEventSummary = z.object({
  at: z.iso.datetime(),
  kind: z.string(),
  detail: z.record(z.string(), z.unknown()),
});
export type SandboxEventSummary = z.infer<typeof SandboxEventSummary>;

export const ExtendAnswer = z.object({ stop_at_ms: z.number() });

/** One sandbox in a list. */
export const SandboxSummary = z.object({
  id: SandboxId,
  region: z.string(),
  status: z.enum(["running", "stopped"]),
  /** ISO 8601. */
  createdAt: z.string(),
  stoppedAt: z.string().nullable(),
  labels: z.record(z.string(), z.string()),
  memoryMb: z.number(),
  /** ISO 8601; null for a sandbox that ends with its connection. */
  stopAt: z.string().nullable(),
});
export type SandboxSummary = z.infer<typeof SandboxSummary>;

/** What a name is to be like. The official clients send nothing of it. */
export const ExposeRequest = z.object({
  /** Ours: it answers only to signed addresses. */
  private: z.boolean().nullish(),
  /** Ours: how long the address in the answer is valid, when it is private. */
  expires_in_ms: z.int().min(1).max(limits.privateUrlMaxMs).nullish(),
});
export type ExposeRequest = z.infer<typeof ExposeRequest>;

export const ExposeAnswer = z.object({
  /** The name, and the port where that is not 443: what follows `https://`. */
  domain: z.string(),
  /** Ours: the address, signed when the name is private. */
  url: z.string(),
});
export type ExposeAnswer = z.infer<typeof ExposeAnswer>;

/** A private name for an editor: `domain` is all of an address that is good for one opening, without `https://`. */
export const ExposeVscodeAnswer = z.object({ domain: z.string() });
export type ExposeVscodeAnswer = z.infer<typeof ExposeVscodeAnswer>;

/** Asks for a signed address. Its host must be a private name of the sandbox. */
export const SignRequest = z.object({
  url: z.string().max(16_384),
  expires_in_ms: z.int().min(1).max(limits.privateUrlMaxMs).nullish(),
});
export type SignRequest = z.infer<typeof SignRequest>;

export const SignAnswer = z.object({ url: z.string() });

/** Where exposed servers are reached. */
export const IngressEndpoint = z.object({
  /** `https://127.0.0.1:8443`: where it listens. */
  url: z.string(),
  /** `skerry.localhost`: what names end with. */
  baseDomain: z.string(),
  /** `https://api.skerry.localhost:8443`: the API, with TLS. */
  apiUrl: z.string(),
  /** The file of the local authority's certificate, null when the operator's certificate is used. */
  caFile: z.string().nullable(),
  /** The same, with what the system trusts. */
  bundleFile: z.string().nullable(),
});
export type IngressEndpoint = z.infer<typeof IngressEndpoint>;

/** What a running server writes to `SKERRY_HOME/run/endpoint.json`. */
export const Endpoint = z.object({
  /** `http://127.0.0.1:8420` */
  url: z.string(),
  pid: z.int(),
  startedAt: z.string(),
  version: z.string(),
  /** Null when it exposes nothing. */
  ingress: IngressEndpoint.nullish(),
  ssh: SshEndpoint.nullish(),
  /** The token that `skerry env` prints. The file is readable by its owner alone. */
  token: z.string(),
});
export type Endpoint = z.infer<typeof Endpoint>;
