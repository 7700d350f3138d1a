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
  type SshAuthorizeRequest,
  type SshEndpoint,
  type SshKey,
} from "@skerry/protocol";

import type { Clock } from "../clock.ts";
import type { Sandbox } from "../sandboxes/sandbox.ts";
import type { Sandboxes } from "../sandboxes/sandboxes.ts";
import type { SshKeyRow, Store } from "../store/store.ts";

const usernameLetters = 32; // 5 bits each: 160 bits

/** What an {@link SshAccess} works with. */
export interface SshAccessOptions {
  readonly store: Store;
  readonly sandboxes: Sandboxes;
  readonly clock: Clock;
}

/** Who may enter which sandbox over SSH. The gateway asks; it decides nothing itself. */
export class SshAccess {
  /** Where the gateway is; null while there is none. */
  endpoint: SshEndpoint | null = null;
  /** Is called with the blob (base64) of a key that counts no more. */
  onRevoked: ((key: string) => void) | null = null;
  readonly #options: SshAccessOptions;

  constructor(options: SshAccessOptions) {
    this.#options = options;
  }

  /**
   * A way into one sandbox, as long as it runs.
   *
   * @param userId Who asks, and whom it ends with.
   * @throws {SandboxError} `SSH_OFF`, `TOO_MANY_NAMES`
   */
  async expose(sandbox: Sandbox, userId: string | null): Promise<ExposeSshAnswer> {
    const { store, clock } = this.#options;
    const { host: hostname, port, hostKey } = this.#reachable();
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

  /** The sandbox that a username leads to, and a key where it needs one; null when it leads nowhere. */
  async authorize({ username, key }: SshAuthorizeRequest): Promise<SandboxId | null> {
    const { store, sandboxes } = this.#options;
    const named = SandboxId.safeParse(username);
    if (!named.success) {
      const grant = await store.ssh.findGrant(hashOf(username));
      return grant !== null && sandboxes.running(grant.sandboxId) !== undefined
        ? grant.sandboxId
        : null;
    }
    const sandbox = sandboxes.running(named.data);
    if (key === null || sandbox === undefined) return null;
    const isOurs =
      (await store.ssh.findKey(sandbox.owner.organizationId, key)) !== null ||
      (await store.ssh.hasGrant(named.data, key));
    return isOurs ? named.data : null;
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
    this.onRevoked?.(removed.data);
  }

  /** How a sandbox is entered by a key of the user. */
  of(
    id: SandboxId,
  ): { readonly host: string; readonly port: number; readonly username: string } | null {
    if (this.endpoint === null) return null;
    const { host, port } = this.endpoint;
    return { host, port, username: id };
  }

  #reachable(): SshEndpoint {
    if (this.endpoint === null) throw new SandboxError("SSH_OFF");
    return this.endpoint;
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
  const { d = "", x = "" } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const [seed, publicKey] = [Buffer.from(d, "base64url"), Buffer.from(x, "base64url")];
  return encodeOpenSshKey(seed, publicKey, randomBytes(4), comment);
}
