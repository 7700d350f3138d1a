import { createHash, generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

import { encodeOpenSshKey } from "@skerry/protocol";
import ssh2 from "ssh2";

/** What the gateway proves itself by. */
export interface HostKey {
  /** In OpenSSH's format. */
  readonly privateKey: string;
  /** `ssh-ed25519 AAAA…` */
  readonly publicKey: string;
  /** `SHA256:…` */
  readonly fingerprint: string;
}

/** The host key in a file, made when there is none. @throws {Error} when the file is no key. */
export async function openHostKey(file: string): Promise<HostKey> {
  const kept = await readOrNull(file);
  if (kept !== null) return read(kept, file);
  const made = make();
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const next = `${file}.${randomUUID()}`;
  await writeFile(next, made, { mode: 0o600, flag: "wx" });
  await rename(next, file);
  return read(made, file);
}

/** Not by the library, of whose keys one in some 400 is malformed, as it finds itself when it reads them. */
function make(): string {
  const key = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  return encodeOpenSshKey(key, randomBytes(4), "skerry").privateKey;
}

function read(privateKey: string, file: string): HostKey {
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error || !key.isPrivateKey()) {
    throw new Error(`${file} is no private key; remove it for a new one`, { cause: key });
  }
  const blob = key.getPublicSSH();
  const hash = createHash("sha256").update(blob).digest("base64").replace(/=+$/, "");
  const publicKey = `${key.type} ${blob.toString("base64")}`;
  return { privateKey, publicKey, fingerprint: `SHA256:${hash}` };
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}
