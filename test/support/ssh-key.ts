import { generateKeyPairSync, randomBytes } from "node:crypto";

import { encodeOpenSshKey } from "@skerry/protocol";

/** A new key of a client: the private one in OpenSSH's format, and the line of the public one. */
export function newSshKey(): { readonly privateKey: string; readonly line: string } {
  const key = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const { privateKey, publicKey: line } = encodeOpenSshKey(key, randomBytes(4), "test");
  return { privateKey, line };
}
