import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

import { letters, limits, SandboxError, tokenPrefix, type SandboxId } from "@skerry/protocol";

import type { Clock } from "../clock.ts";
import { firstIds, type TokenRow, type TokenScope, type TokenStore } from "../store/store.ts";
import { Leases } from "./leases.ts";

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
  readonly scope: TokenScope;
  /** Null for one that belongs to nobody. */
  readonly userId: string | null;
}

/** A token that was just made; the one time that its text can be read. */
export interface IssuedToken extends TokenInfo {
  readonly token: string;
}

type TokenWish = Pick<TokenRow, "name" | "expiresAtMs" | "scope" | "userId">;

/** The access tokens of this server. Only their hashes are kept. */
export class Tokens {
  readonly #store: TokenStore;
  readonly #clock: Clock;

  readonly #leases: Leases;

  /** @param leases What was opened with tokens, and ends with them. */
  constructor(store: TokenStore, clock: Clock, leases: Leases = new Leases()) {
    this.#store = store;
    this.#clock = clock;
    this.#leases = leases;
  }

  /**
   * Makes a token of a user, by default the host's owner. Without `expiresAtMs` it is valid until it is
   * revoked.
   *
   * @throws {SandboxError} `TOO_MANY_TOKENS`
   */
  async issue(
    name: string,
    expiresAtMs: number | null = null,
    userId: string = firstIds.user,
  ): Promise<IssuedToken> {
    return await this.#issue({ name, expiresAtMs, scope: { kind: "user" }, userId });
  }

  /** Makes a token for an SSH gateway. @param userId Whom it ends with. @throws {SandboxError} `TOO_MANY_TOKENS` */
  async issueForGateway(name: string, userId: string = firstIds.user): Promise<IssuedToken> {
    return await this.#issue({ name, expiresAtMs: null, scope: { kind: "gateway" }, userId });
  }

  /**
   * Makes a token that is good for one sandbox alone: to connect, to read of it and to expose what it
   * serves. It ends with the sandbox, and sooner with `expiresAtMs`, or with the user whose it is.
   *
   * @throws {SandboxError} `TOO_MANY_TOKENS`, `SANDBOX_NOT_FOUND` when it does not run.
   */
  async issueFor(
    sandboxId: SandboxId,
    {
      name,
      expiresAtMs = null,
      userId = null,
    }: {
      readonly name: string;
      readonly expiresAtMs?: number | null;
      readonly userId?: string | null;
    },
  ): Promise<IssuedToken> {
    const { row, token } = this.#make({
      ...{ name, expiresAtMs, userId },
      scope: { kind: "sandbox", sandboxId },
    });
    if (!(await this.#store.insert(row, limits.sandboxTokensMax))) {
      const count = (await this.#store.list()).filter(({ scope }) => isOf(scope, sandboxId)).length;
      if (count < limits.sandboxTokensMax) throw new SandboxError("SANDBOX_NOT_FOUND");
      throw new SandboxError("TOO_MANY_TOKENS", `${limits.sandboxTokensMax} of one sandbox`);
    }
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

  /** Ends a token by its id, and what was opened with it. Answers whether there was one. */
  async revoke(id: string): Promise<boolean> {
    const isGone = await this.#store.remove(id);
    this.#leases.end(`token:${id}`);
    return isGone;
  }

  async #issue(wish: TokenWish): Promise<IssuedToken> {
    const { row, token } = this.#make(wish);
    if (!(await this.#store.insert(row, limits.userTokensMax))) {
      throw new SandboxError("TOO_MANY_TOKENS", `${limits.userTokensMax} of one user`);
    }
    return { ...infoOf(row), token };
  }

  #make({ name, expiresAtMs, scope, userId }: TokenWish): {
    readonly row: TokenRow;
    readonly token: string;
  } {
    const token = tokenPrefix + letters(randomBytes(secretLetters), secretLetters);
    const row: TokenRow = {
      id: `tok_${letters(randomBytes(12), 12)}`,
      ...{ name, hash: hashOf(token), scope, userId },
      ...{ createdAtMs: this.#clock.now(), expiresAtMs, lastUsedAtMs: null },
    };
    return { row, token };
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

function isOf(scope: TokenScope, sandboxId: SandboxId): boolean {
  return scope.kind === "sandbox" && scope.sandboxId === sandboxId;
}

function infoOf({ hash: _hash, ...info }: TokenRow): TokenInfo {
  return info;
}
