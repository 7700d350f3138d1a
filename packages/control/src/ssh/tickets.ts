import { createHash, randomBytes } from "node:crypto";

import { letters, limits, tokenPrefix, type SandboxId } from "@skerry/protocol";

import type { Clock } from "../clock.ts";
import type { LeaseTag } from "../tokens/leases.ts";

/** Somebody who comes in by SSH: to which sandbox, and on what grounds. */
export interface Visitor {
  readonly sandboxId: SandboxId;
  /** The name of the user whose key, or way in, it is; null when that is nobody's. */
  readonly who: string | null;
  readonly userId: string | null;
  readonly how: "username" | "key";
  /** Where the client is, as the gateway says. */
  readonly address: string;
  /** What, taken back, ends the visit. */
  readonly tags: readonly LeaseTag[];
  /** Whether the grounds are still there. */
  readonly isStillGood: () => Promise<boolean>;
}

const ticketLetters = 40; // 5 bits each: 200 bits

/**
 * Tickets, each of which opens one socket of one sandbox, once and soon. They are in memory: a gateway
 * whose ticket is lost asks again.
 */
export class Tickets {
  readonly #clock: Clock;
  /** By hash, the oldest first. */
  readonly #open = new Map<string, { readonly visitor: Visitor; readonly untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns the ticket, which is sent as a token is. */
  issue(visitor: Visitor): string {
    const ticket = tokenPrefix + letters(randomBytes(ticketLetters), ticketLetters);
    const untilMs = this.#clock.now() + limits.sshTicketMs;
    this.#open.set(hashOf(ticket), { visitor, untilMs });
    if (this.#open.size > limits.sshTicketsMax) {
      for (const oldest of this.#open.keys()) {
        this.#open.delete(oldest);
        break;
      }
    }
    return ticket;
  }

  /** Whose a ticket is, the first time that it is shown; null for all else. */
  redeem(ticket: string): Visitor | null {
    const hash = hashOf(ticket);
    const found = this.#open.get(hash);
    this.#open.delete(hash);
    return found !== undefined && found.untilMs > this.#clock.now() ? found.visitor : null;
  }
}

function hashOf(ticket: string): string {
  return createHash("sha256").update(ticket).digest("hex");
}
