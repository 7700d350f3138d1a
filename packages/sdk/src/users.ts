import {
  OrganizationSummary,
  paths,
  UserSummary,
  type Role,
  type UserRequest,
} from "@skerry/protocol";

import { understood, type Api } from "./api.ts";

/** Whose sandboxes stay among themselves. */
export interface Organization {
  /** `"org_…"` */
  readonly id: string;
  readonly name: string;
  readonly createdAt: Date;
}

/** Somebody who has tokens and keys. */
export interface User {
  /** `"usr_…"` */
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly organization: { readonly id: string; readonly name: string };
  readonly createdAt: Date;
}

/** What a new user may be told to be. */
export interface UserOptions {
  /** By name or id; default: one's own. */
  readonly organization?: string | undefined;
  /** Default: `"member"`. */
  readonly role?: Role | undefined;
}

/** The users of a server. All but {@link Users.me} is for admins. */
export class Users {
  readonly #api: Api;

  /** @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /** Who has the token. @throws {ApiError} */
  async me(): Promise<User> {
    return userOf(await this.#api.request("GET", paths.me));
  }

  /** Oldest first. @throws {ApiError} `FORBIDDEN` */
  async list(): Promise<User[]> {
    const answer = await this.#api.request("GET", paths.users);
    return understood(() => UserSummary.array().parse(answer)).map(dated);
  }

  /** Makes one, who has no token yet. @throws {ApiError} `CONFLICT` when the name is taken. */
  async create(name: string, { organization, role }: UserOptions = {}): Promise<User> {
    const body: UserRequest = { name, organization, role };
    return userOf(await this.#api.request("POST", paths.users, { body }));
  }

  /**
   * Removes one, by name or id: tokens and keys count no more, and what was opened with them ends.
   *
   * @throws {ApiError} `NOT_FOUND`, `CONFLICT` for oneself.
   */
  async remove(nameOrId: string): Promise<void> {
    await this.#api.request("DELETE", `${paths.users}/${encodeURIComponent(nameOrId)}`);
  }
}

/** The organizations of a server: for admins. */
export class Organizations {
  readonly #api: Api;

  /** @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /** Oldest first. @throws {ApiError} `FORBIDDEN` */
  async list(): Promise<Organization[]> {
    const answer = await this.#api.request("GET", paths.organizations);
    return understood(() => OrganizationSummary.array().parse(answer)).map(dated);
  }

  /** @throws {ApiError} `CONFLICT` when the name is taken. */
  async create(name: string): Promise<Organization> {
    const answer = await this.#api.request("POST", paths.organizations, { body: { name } });
    return dated(understood(() => OrganizationSummary.parse(answer)));
  }

  /** Removes one, by name or id. @throws {ApiError} `CONFLICT` while somebody is in it. */
  async remove(nameOrId: string): Promise<void> {
    await this.#api.request("DELETE", `${paths.organizations}/${encodeURIComponent(nameOrId)}`);
  }
}

function userOf(answer: unknown): User {
  return dated(understood(() => UserSummary.parse(answer)));
}

function dated<T extends { readonly createdAt: string }>(
  summary: T,
): Omit<T, "createdAt"> & { readonly createdAt: Date } {
  return { ...summary, createdAt: new Date(summary.createdAt) };
}
