import { randomBytes, randomUUID } from "node:crypto";
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { tryLock, vaultKeyBytes, type IssuedToken, type Tokens } from "@skerry/control";
import { Endpoint } from "@skerry/protocol";

/** The directory of one server's state, held by this process alone. */
export interface Home extends Disposable {
  readonly path: string;
  /** The file of the store. */
  readonly databasePath: string;
}

/**
 * Takes a home for this process.
 *
 * @throws {Error} when another server has it, with its process id where that is known.
 */
export async function openHome(path: string): Promise<Home> {
  for (const directory of [path, runOf(path), join(path, "control")]) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  }
  const lock = tryLock(join(runOf(path), "lock"));
  if (lock === null) throw new Error(await explainBusy(path));
  await rm(endpointOf(path), { force: true }); // of a process that ended without a word
  return {
    path,
    databasePath: join(path, "control", "control.db"),
    [Symbol.dispose]: () => lock[Symbol.dispose](),
  };
}

/** Where what serves exposed servers keeps its authority and its key. */
export function ingressDirectoryOf(home: Home): string {
  return join(home.path, "ingress");
}

/** The file of the key that the SSH gateway proves itself by. */
export function sshHostKeyOf(home: Home): string {
  return join(home.path, "ssh", "host-key");
}

/** Tells clients on this host where the server is; disposing of the answer takes it back. */
export async function publishEndpoint(home: Home, endpoint: Endpoint): Promise<AsyncDisposable> {
  const path = endpointOf(home.path);
  await writePrivately(path, `${JSON.stringify(endpoint, null, 2)}\n`);
  return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
}

/**
 * The key of the vault, which is kept beside the store and not in it: made when there is none.
 *
 * @throws {Error} when the file is there and is no key, since what it has sealed would be lost.
 */
export async function vaultKey(home: Home): Promise<Uint8Array> {
  const path = join(home.path, "control", "vault.key");
  const kept = await readOrNull(path);
  if (kept === null) {
    const made = randomBytes(vaultKeyBytes);
    await writePrivately(path, `${made.toString("hex")}\n`);
    return made;
  }
  const key = Buffer.from(kept.trim(), "hex");
  if (key.length !== vaultKeyBytes) throw new Error(`${path} is no key: restore it from a backup`);
  return key;
}

/** The token of the host's owner: the same over restarts, until it is revoked. */
export async function defaultToken(home: Home, tokens: Tokens): Promise<string> {
  return await keptToken(join(runOf(home.path), "token"), tokens, () => tokens.issue("default"));
}

/** The token of the SSH gateway in this process, kept in the same way. */
export async function gatewayToken(home: Home, tokens: Tokens): Promise<string> {
  const path = join(runOf(home.path), "gateway-token");
  return await keptToken(path, tokens, () => tokens.issueForGateway("gateway"));
}

async function keptToken(
  path: string,
  tokens: Tokens,
  issue: () => Promise<IssuedToken>,
): Promise<string> {
  const kept = await readOrNull(path);
  if (kept !== null && (await tokens.verify(kept.trim())) !== null) return kept.trim();
  const { token } = await issue();
  await writePrivately(path, `${token}\n`);
  return token;
}

function runOf(home: string): string {
  return join(home, "run");
}

function endpointOf(home: string): string {
  return join(runOf(home), "endpoint.json");
}

/** Whole or not at all, and for the owner's eyes from the first moment. */
async function writePrivately(path: string, text: string): Promise<void> {
  const next = `${path}.${randomUUID()}`;
  try {
    await writeFile(next, text, { mode: 0o600, flag: "wx" });
    await chmod(next, 0o600);
    await rename(next, path);
  } catch (error) {
    await rm(next, { force: true });
    throw new Error(`${path} cannot be written`, { cause: error });
  }
}

async function explainBusy(home: string): Promise<string> {
  const text = await readOrNull(endpointOf(home));
  const parsed = text === null ? null : Endpoint.safeParse(tryJson(text));
  const who = parsed?.success === true ? ` (process ${parsed.data.pid}, ${parsed.data.url})` : "";
  return `another server${who} already runs in ${home}; stop it, or choose another --home`;
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return null; // not there is as good as not readable: it is made anew
  }
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
