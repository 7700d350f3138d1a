import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { migrations } from "./migrations.ts";

/**
 * Opens the database at `path`, or one in memory, and brings its schema up to date. The file is
 * readable by its owner alone, and so is its directory when it is made here.
 *
 * @throws {Error} when it was written by a newer version, or is no database.
 */
export function openDatabase(path: string): DatabaseSync {
  if (path !== ":memory:") makePrivateFile(path);
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: true, timeout: 5_000 });
  try {
    // NORMAL survives the death of the process; only the death of the host may cost the last writes,
    // and then the machines are gone as well.
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
    migrate(database);
    return database;
  } catch (error) {
    database.close();
    throw new Error(`the database ${path} cannot be used`, { cause: error });
  }
}

/** SQLite gives the files beside the database the mode of the database. */
function makePrivateFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, "a", 0o600));
  chmodSync(path, 0o600);
}

/** All that `work` writes, or nothing when it throws. */
export function inTransaction(database: DatabaseSync, work: () => void): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    work();
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

/** Two servers that start together migrate one after the other. */
function migrate(database: DatabaseSync): void {
  inTransaction(database, () => {
    const row = database.prepare("PRAGMA user_version").get();
    const version = Number(row?.["user_version"]);
    if (version > migrations.length) {
      throw new Error(`its version ${version} is newer than this server's ${migrations.length}`);
    }
    for (const step of migrations.slice(version)) database.exec(step);
    database.exec(`PRAGMA user_version = ${migrations.length}`);
  });
}
