import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** What goes into a key: a name for each input and its bytes. */
export type KeyInputs = Readonly<Record<string, string | Uint8Array>>;

/**
 * The key of a set of named inputs: the first 32 hex digits of a SHA-256. The order in which they
 * are given does not matter; every name, length and byte does.
 */
export function deriveKey(inputs: KeyInputs): string {
  const hash = createHash("sha256");
  for (const name of Object.keys(inputs).toSorted()) {
    const value = Buffer.from(inputs[name] ?? "");
    hash.update(`${Buffer.byteLength(name)}:${name}=${value.length}:`).update(value);
  }
  return hash.digest("hex").slice(0, 32);
}

/** SHA-256, hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Key of a directory: the path and content of each file below it. Markdown explains and builds nothing. */
export async function hashDirectory(directory: string): Promise<string> {
  const inputs: Record<string, Uint8Array> = {};
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.endsWith(".md")) continue;
    const path = join(entry.parentPath, entry.name);
    inputs[path.slice(directory.length)] = await readFile(path);
  }
  return deriveKey(inputs);
}
