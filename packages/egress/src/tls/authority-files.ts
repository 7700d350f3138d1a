import { chown, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { Authority, type IssuedCertificate } from "@skerry/certificates";

const certificateFile = "ca.pem";
const keyFile = "ca-key.pem";

/**
 * The authority of this installation for connections that secrets go over: made when there is none. Machines
 * trust it, so a new one means new images.
 *
 * @param owner Who may read the key, and nobody else; left as it is when this process is not root.
 * @returns its certificate, PEM.
 */
export async function ensureAuthority(directory: string, owner: number): Promise<string> {
  const kept = await readAuthority(directory).catch(() => null);
  if (kept !== null) return kept.certificate;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const made = await Authority.create("Skerry egress");
  // The certificate is last: with it there is an authority.
  await writeWhole(join(directory, keyFile), made.key, { mode: 0o400, owner });
  await writeWhole(join(directory, certificateFile), made.certificate, { mode: 0o444, owner });
  return made.certificate;
}

/** @throws {Error} when there is none, or it is no authority. */
export async function openAuthority(directory: string): Promise<Authority> {
  return await Authority.load(await readAuthority(directory));
}

async function readAuthority(directory: string): Promise<IssuedCertificate> {
  const [certificate, key] = await Promise.all(
    [certificateFile, keyFile].map((file) => readFile(join(directory, file), "utf8")),
  );
  return { certificate: certificate ?? "", key: key ?? "" };
}

async function writeWhole(
  path: string,
  text: string,
  { mode, owner }: { readonly mode: number; readonly owner: number },
): Promise<void> {
  const next = `${path}.new`;
  await rm(next, { force: true });
  await writeFile(next, text, { mode, flag: "wx" });
  if (process.geteuid?.() === 0) await chown(next, owner, owner);
  await rename(next, path);
}
