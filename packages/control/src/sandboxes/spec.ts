import type { HostApi, NetworkPolicy, SecretGrant } from "@skerry/protocol";
import type { Logger } from "pino";

import type { Clock } from "../clock.ts";
import type { Vault } from "../secrets/vault.ts";
import type { Store } from "../store/store.ts";

/** A connection to a sandbox, as the sandbox sees it. */
export interface SandboxClient {
  /** Fails what waits and closes the socket. */
  end(code: number, reason: string): void;
}

/** Whose a sandbox is. */
export interface SandboxOwner {
  readonly organizationId: string;
  /** The id of the user. */
  readonly createdBy: string;
}

/** What a sandbox is made of, beside its id and its owner. */
export interface SandboxSpec {
  readonly region: string;
  readonly memoryMiB: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  /** Null: it ends with its creating connection. */
  readonly stopAtMs: number | null;
  readonly network: NetworkPolicy;
  /** What `env` has placeholders for. */
  readonly secrets: readonly SecretGrant[];
}

/** What every sandbox of a server works with. */
export interface SandboxContext {
  readonly host: HostApi;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly vault: Vault;
  readonly lifetimeMaxMs: number;
}
