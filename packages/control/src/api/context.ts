import type { HostApi } from "@skerry/protocol";
import type { Logger } from "pino";

import type { Clock } from "../clock.ts";
import type { Ingress } from "../ingress/ingress.ts";
import type { Sandboxes } from "../sandboxes/sandboxes.ts";
import { VisibleSandboxes } from "../sandboxes/visible-sandboxes.ts";
import type { SshAccess } from "../ssh/ssh-access.ts";
import type { Leases } from "../tokens/leases.ts";
import type { Principal } from "../tokens/principal.ts";
import type { Tokens } from "../tokens/tokens.ts";
import type { Users } from "../users/users.ts";

/** What the API of a server works with. */
export interface ServerContext {
  readonly host: HostApi;
  readonly sandboxes: Sandboxes;
  readonly tokens: Tokens;
  readonly users: Users;
  /** What was opened with tokens and keys. */
  readonly leases: Leases;
  /** Null when this server exposes nothing. */
  readonly ingress: Ingress | null;
  readonly ssh: SshAccess;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
  /** The first is the default. */
  readonly regions: readonly [string, ...string[]];
  readonly lifetimeMaxMs: number;
  /** Values of the `Origin` header whose pages may open sockets. Browsers send it, programs do not. */
  readonly allowedOrigins: readonly string[];
}

/** What one request is answered from: the server as far as whoever asks may know it. */
export interface ApiContext extends Omit<ServerContext, "sandboxes"> {
  readonly principal: Principal;
  readonly sandboxes: VisibleSandboxes;
}

/** The server as somebody may know it. */
export function contextOf(server: ServerContext, principal: Principal): ApiContext {
  return { ...server, principal, sandboxes: new VisibleSandboxes(server.sandboxes, principal) };
}
