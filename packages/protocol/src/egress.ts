import { z } from "zod";

import { limits } from "./limits.ts";
import { NetworkPolicy } from "./network-policy.ts";
import { SecretGrant } from "./secrets.ts";

/**
 * What the host and egress say to each other, a line of JSON each. Egress forgets what it was told when it
 * ends, so the host tells a new one everything again.
 */

/** How egress is started: one argument, JSON. */
export const EgressArguments = z.object({
  /** Who it becomes, when it is root. */
  userId: z.int().min(0),
  /** Descriptors of sockets that listen in the gateway. */
  connections: z.int().min(3),
  namesTcp: z.int().min(3),
  namesUdp: z.int().min(3),
  /** The directory of the authority that machines trust. */
  authority: z.string(),
  /** Files with authorities that servers may be vouched for by, beside those of the host. */
  trust: z.array(z.string()),
  /** Who is asked for names; none: those of the host. */
  nameServers: z.array(z.string()),
  /** What may be reached though no machine may reach it else, by names, as `"10.0.0.5:8443"`. */
  exceptions: z.array(z.string()),
});
export type EgressArguments = z.infer<typeof EgressArguments>;

/** Who egress is, and nobody else on the host. */
export const egressUserId = 1_879_048_191;

/** What a machine may reach, and the secrets that it may use there. */
export const NetworkGrant = z.object({
  policy: NetworkPolicy,
  secrets: z.array(SecretGrant).max(limits.secretsMax),
});
export type NetworkGrant = z.infer<typeof NetworkGrant>;

/** What a machine has that nothing was said of: everything may be reached, but what is always refused. */
export const openAccess: NetworkGrant = { policy: { kind: "open" }, secrets: [] };

/** What a machine may, by its number in the network; null: there is no such machine. */
export const EgressRequest = z.object({
  id: z.int().min(0),
  machine: z.int().min(1),
  grant: NetworkGrant.nullable(),
});
export type EgressRequest = z.infer<typeof EgressRequest>;

/** Why a connection, a name or a request was refused. */
export const refusalReasons = [
  /** No rule has the name or address. */
  "no-rule",
  /** No machine may reach the address. */
  "refused-address",
  /** No name has led the machine to the address. */
  "no-name",
  /** Nobody answers there. */
  "no-answer",
  /** More connections at once than one machine may have. */
  "too-many",
  /** A secret was used towards a host that it is not for. */
  "secret-elsewhere",
  /** A secret was used over a connection that is not encrypted, or that nobody can look into. */
  "secret-in-clear",
  /** A request over a connection that a secret may go over named another host than the connection. */
  "other-host",
  /** The server's certificate is not good, so that no secret was sent. */
  "bad-certificate",
  /** What the machine sent over such a connection is no HTTP. */
  "no-http",
] as const;

/** A connection, a name or a request that was refused. */
export const Refusal = z.object({
  /** A name, or an address where no name led to it. */
  host: z.string().max(260),
  port: z.int().min(0).max(65_535).nullable(),
  reason: z.enum(refusalReasons),
  /** The name of the secret that it was about. */
  secret: z.string().max(limits.secretNameBytesMax).optional(),
});
export type Refusal = z.infer<typeof Refusal>;

export const EgressMessage = z.union([
  z.object({ done: z.int().min(0) }),
  z.object({ machine: z.int().min(1), refused: Refusal }),
]);
export type EgressMessage = z.infer<typeof EgressMessage>;
