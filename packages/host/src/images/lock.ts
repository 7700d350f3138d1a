import { randomBytes } from "node:crypto";
import { link, readFile, rm, unlink, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

import { hasCode } from "./errors.ts";
import { isAlive, ownerOf } from "./owner.ts";

const pollMs = 200;

/**
 * Holds a lock file while `work` runs, and waits for whoever holds it. A lock whose owner has died is taken over.
 * It spares two processes the same work; it is not needed for the result to be right, because a finished part
 * appears by one rename. `onWait` is called once when there is a wait.
 */
export async function withLock<T>(
  path: string,
  { work, onWait, signal }: { work: () => Promise<T>; onWait: () => void; signal: AbortSignal },
): Promise<T> {
  const owner = ownerOf(process.pid) ?? String(process.pid);
  // The file appears with its content: a lock is never seen empty.
  const ticket = `${path}.${randomBytes(4).toString("hex")}.${owner}`;
  await writeFile(ticket, owner);
  try {
    let hasWaited = false;
    while (!(await tryLink(ticket, path))) {
      if (await isStale(path)) {
        await rm(path, { force: true });
        continue;
      }
      if (!hasWaited) onWait();
      hasWaited = true;
      await delay(pollMs, undefined, { signal });
    }
  } finally {
    await unlink(ticket);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  }
}

async function isStale(path: string): Promise<boolean> {
  try {
    return !isAlive(await readFile(path, "utf8"));
  } catch (error) {
    // Released in this moment: the next try to take it decides.
    if (hasCode(error, "ENOENT")) return false;
    throw error;
  }
}
