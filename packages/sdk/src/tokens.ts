import { IssuedTokenAnswer, paths, TokenSummary, type TokenRequest } from "@skerry/protocol";

import { understood, type Api } from "./api.ts";
import { parseDuration, type Duration } from "./durations.ts";

/** An access token, without its text. */
export interface Token {
  /** `"tok_…"` */
  readonly id: string;
  readonly name: string;
  /** The id of the user whose it is. */
  readonly user: string | null;
  /** What it is good for: all that its user may do, or one sandbox. */
  readonly scope: TokenSummary["scope"];
  readonly sandbox: string | null;
  readonly createdAt: Date;
  /** `null`: never. */
  readonly expiresAt: Date | null;
  readonly lastUsedAt: Date | null;
}

/** A token that was just made: the one time that its text can be read. */
export interface IssuedToken extends Token {
  readonly token: string;
}

/** What a new token is to be like. */
export interface TokenOptions {
  /** How long it is valid; default: until it is revoked. */
  readonly expiresIn?: Duration | undefined;
  /** Good for this sandbox alone: to enter it, to read of it and to expose what it serves. */
  readonly sandbox?: string | undefined;
  /** Good for an SSH gateway and nothing else: for admins. */
  readonly gateway?: boolean | undefined;
  /** For another user, by name or id: for admins. */
  readonly user?: string | undefined;
}

/** The access tokens of a user. */
export class Tokens {
  readonly #api: Api;

  /** @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /** Oldest first. @param user Another user's, by name or id: for admins. @throws {ApiError} */
  async list(user?: string): Promise<Token[]> {
    const query = user === undefined ? [] : ([["user", user]] as const);
    const answer = await this.#api.request("GET", paths.tokens, { query });
    return understood(() => TokenSummary.array().parse(answer)).map(dated);
  }

  /** Makes one. @throws {ApiError} `TOO_MANY_TOKENS`, `FORBIDDEN`, `SANDBOX_NOT_FOUND` */
  async create(name: string, options: TokenOptions = {}): Promise<IssuedToken> {
    const { expiresIn, sandbox, gateway, user } = options;
    const lifeMs = expiresIn === undefined ? undefined : parseDuration(expiresIn);
    const body: TokenRequest = { name, expires_in_ms: lifeMs, sandbox, gateway, user };
    const answer = await this.#api.request("POST", paths.tokens, { body });
    const { token, ...summary } = understood(() => IssuedTokenAnswer.parse(answer));
    return { ...dated(summary), token };
  }

  /** Ends one, and what was opened with it. @throws {ApiError} `NOT_FOUND` */
  async revoke(id: string): Promise<void> {
    await this.#api.request("DELETE", `${paths.tokens}/${encodeURIComponent(id)}`);
  }
}

function dated(summary: TokenSummary): Token {
  const { createdAt, expiresAt, lastUsedAt } = summary;
  return {
    ...summary,
    createdAt: new Date(createdAt),
    expiresAt: expiresAt === null ? null : new Date(expiresAt),
    lastUsedAt: lastUsedAt === null ? null : new Date(lastUsedAt),
  };
}
