import type { SandboxId, SecretPlace, SecretSummary } from "@skerry/protocol";

import type { Api } from "./api.ts";

/** A secret that the sandbox can use on requests to these hosts, and never see. */
export interface SecretConfig {
  /** Where it may go: as entries of `allowNet`, over HTTPS; port 443 where none is named. */
  readonly hosts: readonly string[];
  readonly value: string;
  /** The parts of a request in which it may be. Default: `["header"]`. */
  readonly in?: readonly SecretPlace[] | undefined;
}

/** The secrets of a running sandbox. Nobody is told a value. */
export class SandboxSecrets {
  readonly #id: SandboxId;
  readonly #api: Api;

  /** @internal */
  constructor(id: SandboxId, api: Api) {
    this.#id = id;
    this.#api = api;
  }

  /** What there is, without values. @throws {ApiError} */
  async list(): Promise<readonly SecretSummary[]> {
    return this.#api.secrets(this.#id);
  }

  /**
   * Replaces a secret, or what is given of it; adds it when there is none of that name, for which it needs
   * a value and hosts. Programs that run use a new value from their next request on; the variable of a
   * secret that is new is there for programs that start later.
   *
   * @throws {ApiError} `INVALID_REQUEST` when it is none; nothing has changed then.
   */
  async set(name: string, secret: Partial<SecretConfig>): Promise<SecretSummary> {
    return this.#api.setSecret(this.#id, name, secret);
  }

  /** Takes one away. @throws {ApiError} `NOT_FOUND` */
  async remove(name: string): Promise<void> {
    await this.#api.removeSecret(this.#id, name);
  }
}
