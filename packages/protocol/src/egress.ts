import { z } from "zod";

import { NetworkPolicy } from "./network-policy.ts";

/**
 * What the host and egress say to each other, a line of JSON each. Egress forgets what it was told when it
 * ends, so the host tells a new one everything again.
 */

/** The policy of a machine, by its number in the network; null: there is no such machine. */
export const EgressRequest = z.object({
  id: z.int().min(0),
  machine: z.int().min(1),
  policy: NetworkPolicy.nullable(),
});
export type EgressRequest = z.infer<typeof EgressRequest>;

/** A connection or a name that was refused. */
export const Refusal = z.object({
  /** A name, or an address where no name led to it. */
  host: z.string().max(260),
  port: z.int().min(0).max(65_535).nullable(),
  reason: z.enum(["no-rule", "refused-address", "no-name", "no-answer", "too-many"]),
});
export type Refusal = z.infer<typeof Refusal>;

export const EgressMessage = z.union([
  z.object({ done: z.int().min(0) }),
  z.object({ machine: z.int().min(1), refused: Refusal }),
]);
export type EgressMessage = z.infer<typeof EgressMessage>;
