import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";

import {
  encodeOpenSshKey,
  letters,
  limits,
  parseAuthorizedKey,
  SandboxError,
  SandboxId,
  type AuthorizedKey,
  type ExposeSshAnswer,
  type OpenSshKeyPair,
  type SshAuthorizeAnswer,
  type SshAuthorizeRequest,
  type SshEndpoint,
  type SshKey,
} from "@skerry/protocol";

import type { Clock } from "../clock.ts";
import type { Sandbox } from "../sandboxes/sandbox.ts";
import type { Sandboxes } from "../sandboxes/sandboxes.ts";
import type { SshKeyRow, Store } from "../store/store.ts";
import type { Leases } from "../tokens/leases.ts";
import { Tickets, type Visitor } from "./tickets.ts";

const usernameLetters = 32; // 5 bits each: 160 bits

/** What an {@link SshAccess} works with. */
export interface SshAccessOptions {
  readonly store: Store;
  readonly sandboxes: Sandboxes;
  readonly clock: Clock;
  /** What was opened with keys, and ends with them. */
  readonly leases: Leases;
}

/** Why somebody may enter. */
interface Grounds {
  readonly sandboxId: SandboxId;
  /** Whose key, or way in, it is. */
  readonly userId: string | null;
  readonly how: Visitor["how"];
  /** The key, where it is one of a user. */
  readonly keyId: string | null;
}

/** Who may enter which sandbox over SSH. The gateway asks; it decides nothing itself. */
export class SshAccess {
  readonly #options: SshAccessOptions;
  readonly #tickets: Tickets;
  #announced: { readonly endpoint: SshEndpoint; readonly atMs: number } | null = null;

  constructor(options: SshAccessOptions) {
    this.#options = options;
    this.#tickets = new Tickets(options.clock);
  }

  /** Where the gateway is; null when none has said so lately. */
  get endpoint(): SshEndpoint | null {
    if (this.#announced === null) return null;
    const { endpoint, atMs } = this.#announced;
    return this.#options.clock.now() - atMs < limits.sshAnnouncedMs ? endpoint : null;
  }

  /** Notes where a gateway is, for so long. Of several the last counts. */
  announce(endpoint: SshEndpoint): void {
    this.#announced = { endpoint, atMs: this.#options.clock.now() };
  }

  /**
   * A way into one sandbox, as long as it runs.
   *
   * @param userId Who asks, and whom it ends with.
   * @throws {SandboxError} `SSH_OFF`, `TOO_MANY_NAMES`
   */
  async expose(sandbox: Sandbox, userId: string | null): Promise<ExposeSshAnswer> {
    const { store, clock } = this.#options;
    const { host: hostname, port, hostKey } = this.needsGateway();
    const { privateKey, data } = makeKeyPair(sandbox.id);
    const username = letters(randomBytes(usernameLetters), usernameLetters);
    const isTaken = await store.ssh.insertGrant(
      {
        hash: hashOf(username),
        sandboxId: sandbox.id,
        key: data,
        createdAtMs: clock.now(),
        userId,
      },
      limits.sshGrantsMax,
    );
    if (!isTaken) throw new SandboxError("TOO_MANY_NAMES", `${limits.sshGrantsMax} ways in by SSH`);
    sandbox.record("ssh-exposed", {});
    const command =
      port === 22 ? `ssh ${username}@${hostname}` : `ssh -p ${port} ${username}@${hostname}`;
    return { hostname, username, port, privateKey, hostKey, command };
  }

  /**
   * The sandbox that a username leads to, and a key where it needs one, with a ticket for it; null when
   * it leads nowhere.
   */
  async authorize(request: SshAuthorizeRequest): Promise<SshAuthorizeAnswer | null> {
    const { username, key, address } = request;
    const named = SandboxId.safeParse(username);
    const find = named.success
      ? async (): Promise<Grounds | null> => await this.#byKey(named.data, key)
      : this.#byUsername(hashOf(username));
    const grounds = await find();
    if (grounds === null) return null;
    const { sandboxId, userId, how, keyId } = grounds;
    const user = userId === null ? null : await this.#options.store.users.find(userId);
    const ticket = this.#tickets.issue({
      ...{ sandboxId, userId, how, address, who: user?.name ?? null },
      tags: [
        ...(userId === null ? [] : [`user:${userId}` as const]),
        ...(keyId === null ? [] : [`key:${keyId}` as const]),
      ],
      isStillGood: async () => (await find()) !== null,
    });
    return { sandboxId, ticket, user: userId };
  }

  /** Who shows a ticket; null when it is none. */
  redeem(ticket: string): Visitor | null {
    return this.#tickets.redeem(ticket);
  }

  #byUsername(hash: Uint8Array): () => Promise<Grounds | null> {
    const { store, sandboxes } = this.#options;
    return async () => {
      const grant = await store.ssh.findGrant(hash);
      if (grant === null || sandboxes.running(grant.sandboxId) === undefined) return null;
      const { sandboxId, userId } = grant;
      return { sandboxId, userId, how: "username", keyId: null };
    };
  }

  async #byKey(sandboxId: SandboxId, key: string | null): Promise<Grounds | null> {
    const { store, sandboxes } = this.#options;
    const sandbox = sandboxes.running(sandboxId);
    if (key === null || sandbox === undefined) return null;
    const row = await store.ssh.findKey(sandbox.owner.organizationId, key);
    if (row !== null) return { sandboxId, userId: row.userId, how: "key", keyId: row.id };
    const grant = await store.ssh.findGrantOfKey(sandboxId, key);
    return grant && { sandboxId, userId: grant.userId, how: "key", keyId: null };
  }

  /** @throws {SandboxError} `INVALID_REQUEST` when it is no key, or is there already. */
  async addKey(userId: string, name: string, line: string): Promise<SshKey> {
    const { store, clock } = this.#options;
    const { type, data, comment } = readLine(line);
    const now = clock.now();
    const row: SshKeyRow = {
      ...{ id: `key_${letters(randomBytes(20), 20)}`, userId, name, type, data, comment },
      ...{ createdAtMs: now, updatedAtMs: now },
    };
    if (!(await store.ssh.insertKey(row, limits.sshKeysMax))) {
      throw new SandboxError(
        "INVALID_REQUEST",
        `public_key: it is there already, or there are ${limits.sshKeysMax}`,
      );
    }
    return told(row);
  }

  async keys(userId: string): Promise<readonly SshKey[]> {
    return (await this.#options.store.ssh.listKeys(userId)).map(told);
  }

  /** Its sessions end. @throws {SandboxError} `NOT_FOUND` */
  async removeKey(userId: string, id: string): Promise<void> {
    const removed = await this.#options.store.ssh.removeKey(userId, id);
    if (removed === null) throw new SandboxError("NOT_FOUND", "ssh key");
    this.#options.leases.end(`key:${id}`);
  }

  /** How a sandbox is entered by a key of the user. */
  of(
    id: SandboxId,
  ): { readonly host: string; readonly port: number; readonly username: string } | null {
    const { endpoint } = this;
    return endpoint && { host: endpoint.host, port: endpoint.port, username: id };
  }

  /** Where clients enter. @throws {SandboxError} `SSH_OFF` */
  needsGateway(): SshEndpoint {
    const { endpoint } = this;
    if (endpoint === null) throw new SandboxError("SSH_OFF");
    return endpoint;
  }
}

function readLine(line: string): AuthorizedKey {
  try {
    return parseAuthorizedKey(line);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new SandboxError("INVALID_REQUEST", `public_key: ${error.message}`);
  }
}

/** A username is as good as a password, so it is kept as one. */
function hashOf(username: string): Uint8Array {
  return createHash("sha256").update(username).digest();
}

function told({ id, name, type, data, comment, createdAtMs, updatedAtMs }: SshKeyRow): SshKey {
  return {
    ...{ id, name, public_key: [type, data, comment].join(" ").trimEnd(), key_type: type, comment },
    fingerprint_sha256: fingerprintOf(data),
    created_at: new Date(createdAtMs).toISOString(),
    updated_at: new Date(updatedAtMs).toISOString(),
  };
}

/** As `ssh-keygen -l` shows it. */
function fingerprintOf(data: string): string {
  const hash = createHash("sha256").update(Buffer.from(data, "base64")).digest("base64");
  return `SHA256:${hash.replace(/=+$/, "")}`;
}

function makeKeyPair(comment: string): OpenSshKeyPair {
  const key = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  return encodeOpenSshKey(key, randomBytes(4), comment);
}
