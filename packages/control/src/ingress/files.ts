import { randomBytes, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { getCACertificates } from "node:tls";

import { Authority } from "@skerry/certificates";

const keyBytes = 32;

/** What the ingress keeps on disk. */
export interface IngressFiles {
  /** The key that signs addresses of private names. */
  readonly urlKey: Uint8Array;
  readonly caFile: string;
  /** What the system trusts, and our authority. */
  readonly bundleFile: string;
  readonly authority: Authority;
}

/**
 * Reads what an earlier server has left in a directory, or makes it: an authority that people have told
 * their browsers to trust stays the same.
 */
export async function openIngressFiles(directory: string): Promise<IngressFiles> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const caFile = join(directory, "ca.pem");
  const bundleFile = join(directory, "bundle.pem");
  const authority = await openAuthority(caFile, join(directory, "ca-key.pem"));
  await replaceFile(bundleFile, bundleWith(authority.certificate), 0o644);
  return { urlKey: await openUrlKey(join(directory, "url-key")), caFile, bundleFile, authority };
}

/** What this host trusts, else what Node does: whoever uses the file trusts nothing beside it. */
function bundleWith(certificate: string): string {
  const system = getCACertificates("system");
  const known = system.length > 0 ? system : getCACertificates("bundled");
  const all = [...known, ...getCACertificates("extra"), certificate].map(trimmed);
  return [...new Set(all)].join("");
}

async function openAuthority(caFile: string, keyFile: string): Promise<Authority> {
  const [certificate, key] = await Promise.all([readOrNull(caFile), readOrNull(keyFile)]);
  if (certificate !== null && key !== null) {
    try {
      return await Authority.load({ certificate, key });
    } catch (cause) {
      throw new Error(`${caFile} and ${keyFile} are no authority; remove both for a new one`, {
        cause,
      });
    }
  }
  const made = await Authority.create(`Skerry ${randomBytes(4).toString("hex")}`);
  await replaceFile(keyFile, made.key, 0o600);
  await replaceFile(caFile, made.certificate, 0o644);
  return await Authority.load(made);
}

async function openUrlKey(file: string): Promise<Uint8Array> {
  const kept = Buffer.from((await readOrNull(file)) ?? "", "hex");
  if (kept.length === keyBytes) return kept;
  const made = randomBytes(keyBytes);
  await replaceFile(file, `${made.toString("hex")}\n`, 0o600);
  return made;
}

/** Whole or not at all, with its mode from the first moment. */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const next = `${path}.${randomUUID()}`;
  try {
    await writeFile(next, text, { mode, flag: "wx" });
    await rename(next, path);
  } catch (error) {
    await rm(next, { force: true });
    throw new Error(`${path} cannot be written`, { cause: error });
  }
}

/** The text of a file; null when there is none. */
export async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

function trimmed(pem: string): string {
  return `${pem.trim()}\n`;
}
