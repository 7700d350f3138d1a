import {
  ExposeAnswer,
  ExposeSshAnswer,
  ExposeVscodeAnswer,
  ExtendAnswer,
  headers,
  NetworkSettings,
  paths,
  SandboxEventSummary,
  SandboxSummary,
  SecretList,
  SecretSummary,
  SignAnswer,
  SshKey,
  type ExposeRequest,
  type SandboxId,
  type SignRequest,
} from "@skerry/protocol";

import { apiErrorOf } from "./api-error.ts";
import { parseDuration, type Duration } from "./durations.ts";
import { ConnectionError, RpcError } from "./errors.ts";
import type { Server } from "./options.ts";
import type { SecretConfig } from "./secrets.ts";
import type { SshAccess } from "./ssh.ts";

/** Time for the server to answer a request. */
const answerMs = 10_000;

interface RequestOptions {
  readonly query?: readonly (readonly [string, string])[];
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

/** @internal The HTTP side of the server. */
export class Api {
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  async list(
    labels: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<readonly SandboxSummary[]> {
    const query = Object.entries(labels).map(([key, value]) => [`labels[${key}]`, value] as const);
    const answer = await this.request("GET", paths.list, { query, signal });
    return understood(() => SandboxSummary.array().parse(answer));
  }

  async events(id: SandboxId, signal?: AbortSignal): Promise<readonly SandboxEventSummary[]> {
    const path = `/api/v1/sandboxes/${id}/events`;
    const answer = await this.request("GET", path, { signal });
    return understood(() => SandboxEventSummary.array().parse(answer));
  }

  async network(id: SandboxId): Promise<NetworkSettings> {
    const answer = await this.request("GET", `/api/v1/sandboxes/${id}/network`);
    return understood(() => NetworkSettings.parse(answer));
  }

  async setNetwork(id: SandboxId, body: NetworkSettings): Promise<void> {
    await this.request("PUT", `/api/v1/sandboxes/${id}/network`, { body });
  }

  async secrets(id: SandboxId): Promise<readonly SecretSummary[]> {
    const answer = await this.request("GET", `/api/v1/sandboxes/${id}/secrets`);
    return understood(() => SecretList.parse(answer)).secrets;
  }

  async setSecret(
    id: SandboxId,
    name: string,
    body: Partial<SecretConfig>,
  ): Promise<SecretSummary> {
    const answer = await this.request("PUT", secretPath(id, name), { body });
    return understood(() => SecretSummary.parse(answer));
  }

  async removeSecret(id: SandboxId, name: string): Promise<void> {
    await this.request("DELETE", secretPath(id, name));
  }

  /** Asks for a name. */
  async expose(id: SandboxId, body: ExposeRequest): Promise<ExposeAnswer> {
    const answer = await this.request("POST", paths.exposeHttp.replace("{id}", id), { body });
    return understood(() => ExposeAnswer.parse(answer));
  }

  /** Asks for a signed address. */
  async sign(id: SandboxId, body: SignRequest): Promise<string> {
    const answer = await this.request("POST", paths.signUrl.replace("{id}", id), { body });
    return understood(() => SignAnswer.parse(answer)).url;
  }

  async sshKeys(): Promise<SshKey[]> {
    const answer = await this.request("GET", paths.sshKeys);
    return understood(() => SshKey.array().parse(answer));
  }

  async addSshKey(body: { readonly name: string; readonly public_key: string }): Promise<SshKey> {
    const answer = await this.request("POST", paths.sshKeys, { body });
    return understood(() => SshKey.parse(answer));
  }

  async removeSshKey(id: string): Promise<void> {
    await this.request("DELETE", `${paths.sshKeys}/${encodeURIComponent(id)}`);
  }

  /** Asks for a name for an editor: what follows `https://` in its address. */
  async exposeVscode(id: SandboxId): Promise<ExposeVscodeAnswer> {
    const answer = await this.request("POST", paths.exposeVscode.replace("{id}", id), { body: {} });
    return understood(() => ExposeVscodeAnswer.parse(answer));
  }

  async exposeSsh(id: SandboxId): Promise<SshAccess> {
    const answer = await this.request("POST", paths.exposeSsh.replace("{id}", id));
    return understood(() => ExposeSshAnswer.parse(answer));
  }

  async kill(id: SandboxId, signal?: AbortSignal): Promise<void> {
    await this.request("DELETE", pathOf(id), { signal });
  }

  /** @returns When the sandbox will stop: the server may grant less than was asked for. */
  async extend(id: SandboxId, duration: Duration, signal?: AbortSignal): Promise<Date> {
    const body = { stop_at_ms: Date.now() + parseDuration(duration) };
    const answer = await this.request("PATCH", pathOf(id), { body, signal });
    return new Date(understood(() => ExtendAnswer.parse(answer)).stop_at_ms);
  }

  /** @throws {ApiError} when the server refuses. @throws {ConnectionError} when there is none. */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<unknown> {
    const { body, signal } = options;
    const url = new URL(path, this.#server.endpoint);
    for (const [key, value] of options.query ?? []) url.searchParams.append(key, value);
    const deadline = AbortSignal.timeout(answerMs);
    try {
      const response = await fetch(url, {
        method,
        headers: {
          authorization: `Bearer ${this.#server.token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        body: body === undefined ? null : JSON.stringify(body),
        redirect: "error",
        signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
      });
      return await contentOf(response);
    } catch (error) {
      throw explained(error, url, signal);
    }
  }
}

/** @internal */
export function pathOf(id: SandboxId): string {
  return paths.sandbox.replace("{id}", id);
}

function secretPath(id: SandboxId, name: string): string {
  return `/api/v1/sandboxes/${id}/secrets/${encodeURIComponent(name)}`;
}

/** What an answer carries; `undefined` when it carries nothing. */
async function contentOf(response: Response): Promise<unknown> {
  const text = await response.text();
  if (!response.ok) {
    const traceId = response.headers.get(headers.traceId) ?? undefined;
    throw apiErrorOf({ status: response.status, traceId }, text);
  }
  return text === "" ? undefined : understood((): unknown => JSON.parse(text));
}

/** @internal What `read` makes of an answer. @throws {RpcError} `INVALID_ANSWER` when it can make nothing of it. */
export function understood<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new RpcError("INVALID_ANSWER", "The server gave an answer that makes no sense.", {
      cause,
      remedy: "Check that the endpoint is a Skerry server.",
    });
  }
}

/** The network's failures as ours; everything else as it is. */
function explained(error: unknown, url: URL, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted === true) return signal.reason;
  const isTimeout = error instanceof DOMException && error.name === "TimeoutError";
  if (!isTimeout && !(error instanceof TypeError)) return error;
  const message = isTimeout
    ? `${url.origin} did not answer within ${answerMs / 1_000} seconds.`
    : `Cannot connect to ${url.origin}.`;
  return new ConnectionError(isTimeout ? "CONNECTION_SILENT" : "CONNECTION_FAILED", message, {
    cause: error,
    remedy: "Check the address, and that the server runs (`skerry doctor` on its host).",
  });
}
