import type { SandboxId } from "@skerry/protocol";

import type { Api } from "./api.ts";

/** What a sandbox may reach, as `allowNet` says it when one is created. */
export interface NetworkRules {
  /** The hosts that it may reach and no others; `null`: all. */
  readonly allowNet: readonly string[] | null;
}

/** The network of a running sandbox. */
export class SandboxNetwork {
  readonly #id: SandboxId;
  readonly #api: Api;

  /** @internal */
  constructor(id: SandboxId, api: Api) {
    this.#id = id;
    this.#api = api;
  }

  /** What it may reach now. @throws {ApiError} */
  async get(): Promise<NetworkRules> {
    return this.#api.network(this.#id);
  }

  /**
   * Replaces what it may reach. When this resolves, connections that it may not have any more are cut.
   *
   * @throws {ApiError} `INVALID_REQUEST` when an entry is none; nothing has changed then.
   */
  async set({ allowNet }: NetworkRules): Promise<void> {
    await this.#api.setNetwork(this.#id, { allowNet: allowNet === null ? null : [...allowNet] });
  }
}
