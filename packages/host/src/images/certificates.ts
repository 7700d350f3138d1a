import { createHash, X509Certificate } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { hasCode } from "./errors.ts";

/** Where Debian keeps all roots that the host trusts, and where it keeps those that came from Debian. */
const hostBundle = "/etc/ssl/certs/ca-certificates.crt";
const debianCertificates = "/usr/share/ca-certificates/mozilla";
const pemBlock = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** A root certificate: its PEM text and a file name that only its content decides. */
export interface RootCertificate {
  readonly file: string;
  readonly pem: string;
}

/**
 * The certificates in `bundle` that are not in `known`, each once, in order of their fingerprints. Both are texts of
 * PEM blocks; comments and order do not matter. A block that is no certificate is left out.
 */
export function extraCertificates(bundle: string, known: string): readonly RootCertificate[] {
  const seen = new Set(fingerprints(known).keys());
  return [...fingerprints(bundle)]
    .filter(([fingerprint]) => !seen.has(fingerprint))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([fingerprint, pem]) => ({ file: `${fingerprint.slice(0, 16)}.crt`, pem: `${pem}\n` }));
}

/** The roots that this host trusts beyond those of Debian's own package. */
export async function hostCertificates(): Promise<readonly RootCertificate[]> {
  const known = await Promise.all(
    (await filesBelow(debianCertificates)).map((path) => readFile(path, "utf8")),
  );
  return extraCertificates(await readHostBundle(), known.join("\n"));
}

async function filesBelow(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).map((name) => join(directory, name));
  } catch (error) {
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  }
}

async function readHostBundle(): Promise<string> {
  try {
    return await readFile(hostBundle, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return "";
    throw error;
  }
}

function fingerprints(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [pem] of text.matchAll(pemBlock)) {
    const raw = certificateBytes(pem);
    if (raw !== null) found.set(createHash("sha256").update(raw).digest("hex"), pem);
  }
  return found;
}

function certificateBytes(pem: string): Buffer | null {
  try {
    return new X509Certificate(pem).raw;
  } catch {
    // Not a certificate: nothing that could be trusted.
    return null;
  }
}
