import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import type { CertificatePair } from "./certificate.ts";
import { readOrNull, replaceFile } from "./files.ts";

/** What is kept of an account with an authority, and of what it gives. */
export interface AcmeFiles {
  /** PEM. */
  readonly accountKey: string;
  /** The last certificate that was kept. */
  readonly kept: CertificatePair | null;
  readonly keep: (pair: CertificatePair) => Promise<void>;
}

/** Reads what an earlier server has left below a directory, or makes it. */
export async function openAcmeFiles(
  directory: string,
  makeKey: () => Promise<string>,
): Promise<AcmeFiles> {
  const at = join(directory, "acme");
  await mkdir(at, { recursive: true, mode: 0o700 });
  const [account, certificate] = [join(at, "account-key.pem"), join(at, "certificate.json")];
  let accountKey = await readOrNull(account);
  if (accountKey === null) {
    accountKey = await makeKey();
    await replaceFile(account, accountKey, 0o600);
  }
  return {
    accountKey,
    kept: readPair(await readOrNull(certificate)),
    // One file, so that a certificate is never there without its key.
    keep: async (pair) => await replaceFile(certificate, JSON.stringify(pair), 0o600),
  };
}

function readPair(text: string | null): CertificatePair | null {
  try {
    const { cert, key } = JSON.parse(text ?? "{}") as Partial<CertificatePair>;
    return typeof cert === "string" && typeof key === "string" ? { cert, key } : null;
  } catch {
    return null; // the next one takes its place
  }
}
