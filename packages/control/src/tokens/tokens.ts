import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

import { letters, tokenPrefix } from "@skerry/protocol";

import type { Clock } from "../clock.ts";
import type { TokenRow, TokenStore } from "../store/store.ts";

const secretLetters = 40; // 5 bits each: 200 bits
const longestTokenBytes = 256;
const lastUsedStepMs = 60_000;

/** What may be told of a token. */
export interface TokenInfo {
  readonly id: string;
  readonly name: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  readonly lastUsedAtMs: number | null;
}

/** A token that was just made; the one time that its text can be read. */
export interface IssuedToken extends TokenInfo {
  readonly token: string;
}

/** The access tokens of this server. Only their hashes are kept. */
export class Tokens {
  readonly #store: TokenStore;
  readonly #clock: Clock;

  constructor(store: TokenStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Makes a token. Without `expiresAtMs` it is valid until it is revoked. */
  async issue(name: string, expiresAtMs: number | null = null): Promise<IssuedToken> {
    const token = tokenPrefix + letters(randomBytes(secretLetters), secretLetters);
    const row: TokenRow = {
      id: `tok_${letters(randomBytes(12), 12)}`,
      name,
      hash: hashOf(token),
      createdAtMs: this.#clock.now(),
      expiresAtMs,
      lastUsedAtMs: null,
    };
    await this.#store.insert(row);
    return { ...infoOf(row), token };
  }

  /** The token's row when it is one of ours, not revoked and not expired; else null. */
  async verify(token: string): Promise<TokenInfo | null> {
    const row = await this.#find(token);
    if (row === null) return null;
    const now = this.#clock.now();
    if (now - (row.lastUsedAtMs ?? 0) > lastUsedStepMs) await this.#store.touch(row.id, now);
    return infoOf(row);
  }

  /** Whether a text is a token of this server that is valid. Asking counts as no use of it. */
  async isOurs(token: string): Promise<boolean> {
    return (await this.#find(token)) !== null;
  }

  /** Oldest first, expired ones too. */
  async list(): Promise<readonly TokenInfo[]> {
    return (await this.#store.list()).map(infoOf);
  }

  /** Ends a token by its id. Answers whether there was one. */
  async revoke(id: string): Promise<boolean> {
    return await this.#store.remove(id);
  }

  async #find(token: string): Promise<TokenRow | null> {
    if (!token.startsWith(tokenPrefix) || token.length > longestTokenBytes) return null;
    const hash = hashOf(token);
    const row = await this.#store.findByHash(hash);
    if (row === null || !timingSafeEqual(row.hash, hash)) return null;
    const isOver = row.expiresAtMs !== null && row.expiresAtMs <= this.#clock.now();
    return isOver ? null : row;
  }
}

function hashOf(token: string): Uint8Array {
  return createHash("sha256").update(token).digest();
}

function infoOf({ id, name, createdAtMs, expiresAtMs, lastUsedAtMs }: TokenRow): TokenInfo {
  return { id, name, createdAtMs, expiresAtMs, lastUsedAtMs };
}
