import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";

import {
  limits,
  SandboxError,
  type HostApi,
  type IngressEndpoint,
  type SandboxId,
} from "@skerry/protocol";
import type { Logger } from "pino";

import { ApiServer } from "./api/server.ts";
import { systemClock, type Clock } from "./clock.ts";
import { Ingress, type IngressOptions } from "./ingress/ingress.ts";
import { Sandboxes } from "./sandboxes/sandboxes.ts";
import { Vault, vaultKeyBytes } from "./secrets/vault.ts";
import { SshAccess } from "./ssh/ssh-access.ts";
import type { Store } from "./store/store.ts";
import { Leases } from "./tokens/leases.ts";
import { Tokens } from "./tokens/tokens.ts";
import { Users } from "./users/users.ts";

/** What a control plane is built from. */
export interface ControlOptions {
  readonly host: HostApi;
  readonly store: Store;
  readonly log: Logger;
  /** Seals what the store holds of secrets; default: one that lasts as long as the process. */
  readonly vaultKey?: Uint8Array;
  /** Shown in `/api/v1/status`. */
  readonly version: string;
  /** The first is the default. */
  readonly regions: readonly [string, ...string[]];
  readonly sandboxesMax?: number;
  /** Of one organization; default: as many as of all. */
  readonly organizationSandboxesMax?: number;
  readonly lifetimeMaxMs?: number;
  /** Origins whose pages may open sockets; none by default. */
  readonly allowedOrigins?: readonly string[];
  /** How exposed servers are reached; without it nothing can be exposed. */
  readonly ingress?: IngressOptions | null;
  readonly clock?: Clock;
}

/** The control plane of one server. */
export interface Control {
  readonly tokens: Tokens;
  readonly users: Users;
  readonly sandboxes: Sandboxes;
  readonly ssh: SshAccess;
  /** Starts to serve the API. Port 0 takes a free one. */
  listen(host: string, port: number): Promise<AddressInfo>;
  /** Starts to serve exposed servers, and the API with TLS. Port 0 takes a free one. */
  listenHttps(host: string, port: number): Promise<IngressEndpoint>;
  /**
   * Takes no more connections, ends all sandboxes, then ends the connections.
   *
   * @param keep Leaves sandboxes with a duration running, for the next process to take up.
   * @returns the sandboxes that were left running.
   */
  close(keep?: boolean): Promise<ReadonlySet<SandboxId>>;
}

/**
 * Builds the control plane over a host and a store, neither of which it owns, and takes up what an
 * earlier process has left.
 */
export async function openControl(options: ControlOptions, signal: AbortSignal): Promise<Control> {
  const { host, store, log, version, regions, allowedOrigins = [] } = options;
  const { clock = systemClock, lifetimeMaxMs = limits.lifetimeMaxMs } = options;
  const { sandboxesMax = limits.sandboxesMax, vaultKey = randomBytes(vaultKeyBytes) } = options;
  const { organizationSandboxesMax = sandboxesMax } = options;
  const leases = new Leases();
  const tokens = new Tokens(store.tokens, clock, leases);
  const users = new Users({ store, clock, leases });
  const vault = new Vault(vaultKey);
  const sandboxes = new Sandboxes({
    ...{ host, store, clock, log, vault, lifetimeMaxMs },
    ...{ sandboxesMax, organizationSandboxesMax },
  });
  const ingress = options.ingress
    ? await Ingress.open(options.ingress, { store, tokens, regions, clock, log })
    : null;
  await sandboxes.adopt(signal);
  await ingress?.adopt(sandboxes.live());
  const ssh = new SshAccess({ store, sandboxes, clock, leases });
  const api = new ApiServer({
    ...{ host, sandboxes, tokens, users, leases, ingress, ssh, clock, log },
    ...{ version, regions, lifetimeMaxMs, allowedOrigins },
  });
  return {
    tokens,
    users,
    sandboxes,
    ssh,
    listen: (name, port) => api.listen(name, port),
    async listenHttps(name, port) {
      if (ingress === null) throw new SandboxError("INGRESS_OFF");
      return await ingress.listen(name, port, (socket) => api.accept(socket));
    },
    async close(keep = false) {
      api.stopListening();
      ingress?.stopListening();
      const kept = await sandboxes.close(keep);
      await ingress?.close();
      await api.close(keep ? "restart" : "stop");
      return kept;
    },
  };
}
