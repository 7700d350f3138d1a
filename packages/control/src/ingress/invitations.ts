import { createHash, randomBytes } from "node:crypto";

import { limits } from "@skerry/protocol";

const tokenBytes = 32;

/**
 * Tokens that let one browser in to a name, once. They are in memory only: those that were not used when the server
 * ends are good for nothing afterwards, which a list of used ones could not promise.
 */
export class Invitations {
  /** When each expires, in Unix ms, by the hash of its token; the oldest first. */
  readonly #open = new Map<string, number>();

  /** A token that is good until `expiresAtMs`, in Unix ms. */
  issue(expiresAtMs: number): string {
    const token = randomBytes(tokenBytes).toString("base64url");
    this.#open.set(hashOf(token), expiresAtMs);
    const [oldest] = this.#open.keys();
    if (this.#open.size > limits.invitationsMax && oldest !== undefined) this.#open.delete(oldest);
    return token;
  }

  /** Whether this is a token that is good at `nowMs`. From then on it is not. */
  redeem(token: string, nowMs: number): boolean {
    const hash = hashOf(token);
    const expiresAtMs = this.#open.get(hash);
    this.#open.delete(hash);
    return expiresAtMs !== undefined && expiresAtMs > nowMs;
  }
}

/** What is looked up is the hash, so that how long it takes says nothing of the token. */
function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
