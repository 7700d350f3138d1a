import type { SshKey as WireSshKey } from "@skerry/protocol";

import type { Api } from "./api.ts";

/** A public key that enters every sandbox of the user by SSH, with the sandbox's id for a username. */
export interface SshKey {
  readonly id: string;
  readonly name: string;
  /** `ssh-ed25519 AAAA… comment` */
  readonly publicKey: string;
  /** As `ssh-ed25519`. */
  readonly type: string;
  /** `SHA256:…`, as OpenSSH shows it. */
  readonly fingerprint: string;
  readonly comment: string;
  readonly createdAt: Date;
}

/** The SSH keys of the user. */
export class SshKeys {
  readonly #api: Api;

  /** @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /** Oldest first. @throws {ApiError} */
  async list(): Promise<SshKey[]> {
    return (await this.#api.sshKeys()).map(ofWire);
  }

  /**
   * Uploads one.
   *
   * @param publicKey A line of an `authorized_keys` file, without options.
   * @throws {ApiError} `INVALID_REQUEST` when it is none, or is there already.
   */
  async add(name: string, publicKey: string): Promise<SshKey> {
    return ofWire(await this.#api.addSshKey({ name, public_key: publicKey }));
  }

  /** Takes one away, and ends what was entered with it. @throws {ApiError} `NOT_FOUND` */
  async remove(id: string): Promise<void> {
    await this.#api.removeSshKey(id);
  }
}

function ofWire(key: WireSshKey): SshKey {
  return {
    ...{ id: key.id, name: key.name, publicKey: key.public_key, type: key.key_type },
    ...{ fingerprint: key.fingerprint_sha256, comment: key.comment },
    createdAt: new Date(key.created_at),
  };
}
