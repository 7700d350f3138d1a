import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

import { SecretGrant, type SandboxId } from "@skerry/protocol";

const cipher = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

/** The bytes of the key that a vault has. */
export const vaultKeyBytes = 32;

/**
 * Makes of secrets what the store may hold. Each is sealed for its sandbox: what is taken from one row is of no
 * use in another.
 */
export class Vault {
  readonly #key: Uint8Array;

  /** @param key `vaultKeyBytes` random bytes, which are kept apart from the store. */
  constructor(key: Uint8Array) {
    if (key.length !== vaultKeyBytes) throw new RangeError("the key of a vault has 32 bytes");
    this.#key = key;
  }

  seal(sandboxId: SandboxId, secret: SecretGrant): Uint8Array {
    const nonce = randomBytes(nonceBytes);
    const sealing = createCipheriv(cipher, this.#key, nonce).setAAD(Buffer.from(sandboxId));
    const content = sealing.update(JSON.stringify(secret), "utf8");
    return Buffer.concat([nonce, content, sealing.final(), sealing.getAuthTag()]);
  }

  /** @throws {Error} when it was sealed for another sandbox, by another key, or is not whole. */
  open(sandboxId: SandboxId, sealed: Uint8Array): SecretGrant {
    const bytes = Buffer.from(sealed);
    const nonce = bytes.subarray(0, nonceBytes);
    const opening = createDecipheriv(cipher, this.#key, nonce, { authTagLength: tagBytes })
      .setAAD(Buffer.from(sandboxId))
      .setAuthTag(bytes.subarray(bytes.length - tagBytes));
    const content = opening.update(bytes.subarray(nonceBytes, bytes.length - tagBytes));
    const text = Buffer.concat([content, opening.final()]).toString("utf8");
    return SecretGrant.parse(JSON.parse(text));
  }
}
