import type { Role, SandboxId } from "@skerry/protocol";

/**
 * What control remembers. It holds no configuration header, no environment value, and no secret or
 * token in clear. `node:sqlite` implements it in this folder; PostgreSQL will implement it too, so
 * everything is asynchronous and `testing/store-contract.ts` is the same for each.
 */
export interface Store extends AsyncDisposable {
  readonly users: UserStore;
  readonly tokens: TokenStore;
  readonly sandboxes: SandboxStore;
  readonly secrets: SecretStore;
  readonly ssh: SshStore;
  readonly events: EventStore;
  readonly exposures: ExposureStore;
}

/** Whose sandboxes stay among themselves. */
export interface OrganizationRow {
  /** `"org_…"` */
  readonly id: string;
  readonly name: string;
  readonly createdAtMs: number;
}

/** Somebody who has tokens and keys. */
export interface UserRow {
  /** `"usr_…"` */
  readonly id: string;
  readonly organizationId: string;
  readonly name: string;
  readonly role: Role;
  readonly createdAtMs: number;
}

/** What is there from the start: the owner of the host, and that one's organization. */
export const firstIds = { organization: "org_default", user: "usr_admin" } as const;

/** Who there is. A store that is new has an organization and an admin: {@link firstIds}. */
export interface UserStore {
  /** Answers whether it was taken: not when the name is, or there are `max`. */
  insertOrganization(organization: OrganizationRow, max: number): Promise<boolean>;
  /** Oldest first. */
  listOrganizations(): Promise<readonly OrganizationRow[]>;
  /** With its sandboxes that have ended. Answers whether it is gone: not while it has users or sandboxes that run. */
  removeOrganization(id: string): Promise<boolean>;
  /** Answers whether it was taken: not when the name is, or there are `max`. */
  insert(user: UserRow, max: number): Promise<boolean>;
  find(id: string): Promise<UserRow | null>;
  /** Oldest first. */
  list(): Promise<readonly UserRow[]>;
  /** With tokens, keys and ways in. Answers whether there was such a user. */
  remove(id: string): Promise<boolean>;
}

/** What a token is good for. */
export type TokenScope =
  /** All that its user may do. */
  | { readonly kind: "user" }
  /** To enter one sandbox, and to read of it. */
  | { readonly kind: "sandbox"; readonly sandboxId: SandboxId }
  /** To ask whom an SSH client may enter. */
  | { readonly kind: "gateway" };

/** A token, as far as it is kept. */
export interface TokenRow {
  /** `"tok_…"`: what people name a token by. */
  readonly id: string;
  readonly name: string;
  /** SHA-256 of the token. */
  readonly hash: Uint8Array;
  readonly createdAtMs: number;
  /** Null: never. */
  readonly expiresAtMs: number | null;
  readonly lastUsedAtMs: number | null;
  readonly scope: TokenScope;
  /** Null for one that belongs to nobody. */
  readonly userId: string | null;
}

/** The access tokens, by their hashes. Those of a sandbox end with it, and those of a user with that one. */
export interface TokenStore {
  /** Answers whether it was taken: not when its sandbox, else its user, has `max`, or its sandbox does not run. */
  insert(token: TokenRow, max?: number): Promise<boolean>;
  findByHash(hash: Uint8Array): Promise<TokenRow | null>;
  /** Oldest first. */
  list(): Promise<readonly TokenRow[]>;
  touch(id: string, lastUsedAtMs: number): Promise<void>;
  /** Answers whether there was such a token. */
  remove(id: string): Promise<boolean>;
}

/** Why a sandbox ended. */
export type EndReason =
  | "killed"
  | "session-closed"
  | "session-silent"
  | "expired"
  | "crashed"
  | "shutdown"
  | "lost"
  | "failed";

/** A sandbox: what is wanted of it while it runs, what became of it after. */
export interface SandboxRow {
  readonly id: SandboxId;
  readonly organizationId: string;
  /** The id of the user, who may be gone. */
  readonly createdBy: string;
  readonly region: string;
  readonly status: "running" | "stopped";
  readonly createdAtMs: number;
  readonly stoppedAtMs: number | null;
  /** Null for a sandbox that ends with its creating connection. */
  readonly stopAtMs: number | null;
  readonly memoryMiB: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Null while it runs. */
  readonly endReason: EndReason | null;
}

/** The sandboxes that run, and those that ran lately. */
export interface SandboxStore {
  /** Both or nothing. */
  insert(sandbox: SandboxRow, secrets?: readonly SecretRow[]): Promise<void>;
  find(id: SandboxId): Promise<SandboxRow | null>;
  /** Newest first, those of an organization that have all of `labels`. */
  list(filter: {
    readonly organizationId: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly limit: number;
  }): Promise<readonly SandboxRow[]>;
  /** All that are marked as running. */
  running(): Promise<readonly SandboxRow[]>;
  setStopAt(id: SandboxId, stopAtMs: number): Promise<void>;
  /** Marks a running sandbox as stopped, and forgets its secrets; one that is stopped already keeps its time and reason. */
  setStopped(id: SandboxId, stoppedAtMs: number, reason: EndReason): Promise<void>;
  /** Forgets sandboxes that stopped before `timeMs`, with their events. Answers how many. */
  forgetStopped(timeMs: number): Promise<number>;
}

/** A secret of a sandbox that runs, sealed by the vault. */
export interface SecretRow {
  readonly sandboxId: SandboxId;
  readonly name: string;
  readonly sealed: Uint8Array;
}

/** The secrets of sandboxes. They end with their sandbox. */
export interface SecretStore {
  /** In place of the one of that name; does nothing when the sandbox does not run any more. */
  put(secret: SecretRow): Promise<void>;
  list(sandboxId: SandboxId): Promise<readonly SecretRow[]>;
  remove(sandboxId: SandboxId, name: string): Promise<void>;
}

/** A way into one sandbox that runs. */
export interface SshGrantRow {
  /** SHA-256 of the username. */
  readonly hash: Uint8Array;
  readonly sandboxId: SandboxId;
  /** The blob of the key that enters as well, base64. */
  readonly key: string;
  readonly createdAtMs: number;
  /** Who asked for it, and whom it ends with. */
  readonly userId: string | null;
}

/** A key of a user. */
export interface SshKeyRow {
  readonly id: string;
  readonly userId: string;
  readonly name: string;
  readonly type: string;
  /** The blob, base64. */
  readonly data: string;
  readonly comment: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** Who may enter over SSH. Grants end with their sandbox; both end with their user. */
export interface SshStore {
  /** Answers whether it was taken: not when the sandbox has `max` already, or does not run. */
  insertGrant(grant: SshGrantRow, max: number): Promise<boolean>;
  findGrant(hash: Uint8Array): Promise<SshGrantRow | null>;
  findGrantOfKey(sandboxId: SandboxId, key: string): Promise<SshGrantRow | null>;
  /** Answers whether it was taken: not when the user has it, or has `max`. */
  insertKey(key: SshKeyRow, max: number): Promise<boolean>;
  /** Those of a user, oldest first. */
  listKeys(userId: string): Promise<readonly SshKeyRow[]>;
  /** The oldest with this blob that a user of the organization has: others may have it as well. */
  findKey(organizationId: string, data: string): Promise<SshKeyRow | null>;
  /** Answers with what is gone. */
  removeKey(userId: string, id: string): Promise<SshKeyRow | null>;
}

/** What can happen to a sandbox. */
export type EventKind =
  | "created"
  | "connected"
  | "disconnected"
  | "command-started"
  | "command-ended"
  | "extended"
  | "network-changed"
  | "network-refused"
  | "secret-changed"
  | "ssh-exposed"
  | "ssh-opened"
  | "ssh-closed"
  | "secret-removed"
  | "secret-refused"
  | "http-exposed"
  | "http-request"
  | "stopped";

/** Something that happened to a sandbox. `detail` is JSON without secrets. */
export interface SandboxEvent {
  readonly sandboxId: SandboxId;
  readonly atMs: number;
  readonly kind: EventKind;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** The event logs. They end with their sandbox's row. */
export interface EventStore {
  /** Keeps the newest `limits.eventsPerSandboxMax` of each sandbox. */
  append(event: SandboxEvent): Promise<void>;
  /** Oldest first. */
  list(sandboxId: SandboxId): Promise<readonly SandboxEvent[]>;
}

/** What a name leads to inside a machine. */
export type ExposeTarget =
  | { readonly kind: "port"; readonly port: number }
  /** The server of a Deno process that was started by `deno.run`. */
  | { readonly kind: "socket"; readonly path: string }
  /** The port that a process listens on, whichever that is. */
  | { readonly kind: "process"; readonly pid: number };

/** A name that was given to a sandbox. */
export interface ExposureRow {
  /** The part before the base domain. */
  readonly name: string;
  readonly sandboxId: SandboxId;
  /** It answers only to signed addresses. */
  readonly isPrivate: boolean;
  /** Null: reserved, and nobody has said yet what it leads to. */
  readonly target: ExposeTarget | null;
}

/** The names that were given. They end with their sandbox's row, and are never given again. */
export interface ExposureStore {
  insert(exposure: ExposureRow): Promise<void>;
  /** In the order in which they were given. */
  list(sandboxId: SandboxId): Promise<readonly ExposureRow[]>;
  setTarget(name: string, target: ExposeTarget): Promise<void>;
}
