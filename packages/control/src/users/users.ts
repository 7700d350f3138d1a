import { randomBytes } from "node:crypto";

import {
  letters,
  limits,
  SandboxError,
  type OrganizationSummary,
  type Role,
  type UserSummary,
} from "@skerry/protocol";

import type { Clock } from "../clock.ts";
import { firstIds, type OrganizationRow, type Store, type UserRow } from "../store/store.ts";
import type { Leases } from "../tokens/leases.ts";

/** What {@link Users} work with. */
export interface UsersOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** What was opened with tokens and keys of users, and ends with them. */
  readonly leases: Leases;
}

/** The users of a server and their organizations. Both are named by their names or by their ids. */
export class Users {
  readonly #options: UsersOptions;

  constructor(options: UsersOptions) {
    this.#options = options;
  }

  /** The user with this id, if there is one. */
  async get(id: string): Promise<UserRow | null> {
    return await this.#options.store.users.find(id);
  }

  /** Oldest first. */
  async list(): Promise<readonly UserSummary[]> {
    const { users } = this.#options.store;
    const organizations = await users.listOrganizations();
    return (await users.list()).map((user) => told(user, organizations));
  }

  /** What is told of one. */
  async describe(user: UserRow): Promise<UserSummary> {
    return told(user, await this.#options.store.users.listOrganizations());
  }

  /** @throws {SandboxError} `NOT_FOUND` */
  async find(nameOrId: string): Promise<UserRow> {
    const users = await this.#options.store.users.list();
    const found = users.find(({ id, name }) => id === nameOrId || name === nameOrId);
    if (found === undefined) throw new SandboxError("NOT_FOUND", "user");
    return found;
  }

  /** @throws {SandboxError} `CONFLICT` when the name is taken, or there are too many; `NOT_FOUND`. */
  async create(name: string, organization: string, role: Role): Promise<UserSummary> {
    const { store, clock } = this.#options;
    const { id: organizationId } = await this.findOrganization(organization);
    const createdAtMs = clock.now();
    const user = { id: makeId("usr"), organizationId, name, role, createdAtMs };
    if (!(await store.users.insert(user, limits.usersMax))) {
      throw new SandboxError("CONFLICT", `a user ${name}, or ${limits.usersMax} of them`);
    }
    return await this.describe(user);
  }

  /**
   * Removes a user, whose tokens, keys and ways in count no more: what was opened with them ends.
   * Sandboxes are the organization's, and stay.
   *
   * @param by Who asks.
   * @throws {SandboxError} `NOT_FOUND`, `CONFLICT` for oneself and for the owner of the host.
   */
  async remove(nameOrId: string, by: UserRow): Promise<void> {
    const { store, leases } = this.#options;
    const { id } = await this.find(nameOrId);
    if (id === by.id) throw new SandboxError("CONFLICT", "that is yourself");
    if (id === firstIds.user) throw new SandboxError("CONFLICT", "that is the owner of the host");
    if (!(await store.users.remove(id))) throw new SandboxError("NOT_FOUND", "user");
    leases.end(`user:${id}`);
  }

  /** Oldest first. */
  async organizations(): Promise<readonly OrganizationSummary[]> {
    return (await this.#options.store.users.listOrganizations()).map(toldOrganization);
  }

  /** @throws {SandboxError} `NOT_FOUND` */
  async findOrganization(nameOrId: string): Promise<OrganizationRow> {
    const all = await this.#options.store.users.listOrganizations();
    const found = all.find(({ id, name }) => id === nameOrId || name === nameOrId);
    if (found === undefined) throw new SandboxError("NOT_FOUND", "organization");
    return found;
  }

  /** @throws {SandboxError} `CONFLICT` when the name is taken, or there are too many. */
  async createOrganization(name: string): Promise<OrganizationSummary> {
    const { store, clock } = this.#options;
    const organization = { id: makeId("org"), name, createdAtMs: clock.now() };
    if (!(await store.users.insertOrganization(organization, limits.organizationsMax))) {
      const problem = `an organization ${name}, or ${limits.organizationsMax} of them`;
      throw new SandboxError("CONFLICT", problem);
    }
    return toldOrganization(organization);
  }

  /**
   * Removes an organization, with what is known of its sandboxes.
   *
   * @throws {SandboxError} `NOT_FOUND`, `CONFLICT` while it has users, or sandboxes that run.
   */
  async removeOrganization(nameOrId: string): Promise<void> {
    const { id, name } = await this.findOrganization(nameOrId);
    if (id === firstIds.organization) throw new SandboxError("CONFLICT", "it is the host's own");
    if (await this.#options.store.users.removeOrganization(id)) return;
    throw new SandboxError("CONFLICT", `users, or sandboxes that run, of ${name}`);
  }
}

function makeId(prefix: "usr" | "org"): string {
  return `${prefix}_${letters(randomBytes(12), 12)}`;
}

function told(user: UserRow, organizations: readonly OrganizationRow[]): UserSummary {
  const { id, name, role, organizationId, createdAtMs } = user;
  const organization = organizations.find((each) => each.id === organizationId);
  return {
    ...{ id, name, role, organization: { id: organizationId, name: organization?.name ?? "" } },
    createdAt: new Date(createdAtMs).toISOString(),
  };
}

function toldOrganization({ id, name, createdAtMs }: OrganizationRow): OrganizationSummary {
  return { id, name, createdAt: new Date(createdAtMs).toISOString() };
}
