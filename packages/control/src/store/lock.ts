import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

/**
 * Takes the lock in the file at `path` until it is disposed of or the process ends, however it ends:
 * the kernel drops it, so that a lock is never stale. Returns null when another process, or another
 * holder in this one, has it.
 */
export function tryLock(path: string): Disposable | null {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, "a", 0o600));
  const database = new DatabaseSync(path, { timeout: 0 }); // Node has no flock; SQLite's locks are the same
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (isBusy(error)) return null;
    throw new Error(`the lock ${path} cannot be taken`, { cause: error });
  }
  return { [Symbol.dispose]: () => database.close() };
}

const sqliteBusy = 5;

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === sqliteBusy;
}
