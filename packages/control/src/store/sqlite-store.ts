import type { DatabaseSync } from "node:sqlite";

import { limits } from "@skerry/protocol";

import { inTransaction, openDatabase } from "./database.ts";
import { readEvent, readExposure, readSandbox, readSecret, readToken } from "./rows.ts";
import { sshStore } from "./ssh-store.ts";
import type {
  EventStore,
  ExposureStore,
  SandboxStore,
  SecretStore,
  Store,
  TokenStore,
} from "./store.ts";
import { userStore } from "./user-store.ts";

/** Opens the store in the file at `path`, or in memory for `":memory:"`. */
export function openSqliteStore(path: string): Store {
  const database = openDatabase(path);
  return {
    users: userStore(database),
    tokens: tokenStore(database),
    sandboxes: sandboxStore(database),
    secrets: secretStore(database),
    ssh: sshStore(database),
    events: eventStore(database),
    exposures: exposureStore(database),
    async [Symbol.asyncDispose]() {
      if (database.isOpen) database.close();
    },
  };
}

function tokenStore(database: DatabaseSync): TokenStore {
  const insert = database.prepare(
    `INSERT INTO tokens SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
     WHERE iif(?8 IS NULL,
       (SELECT count(*) FROM tokens WHERE user_id = ?9 AND sandbox_id IS NULL) < ?10,
       (SELECT count(*) FROM tokens WHERE sandbox_id = ?8) < ?10
       AND EXISTS (SELECT 1 FROM sandboxes WHERE id = ?8 AND status = 'running'))`,
  );
  const byHash = database.prepare("SELECT * FROM tokens WHERE hash = ?");
  const all = database.prepare("SELECT * FROM tokens ORDER BY created_at_ms, id");
  const touch = database.prepare("UPDATE tokens SET last_used_at_ms = ? WHERE id = ?");
  const remove = database.prepare("DELETE FROM tokens WHERE id = ?");
  return {
    async insert(token, max = Number.MAX_SAFE_INTEGER) {
      const { id, name, hash, createdAtMs, expiresAtMs, lastUsedAtMs, scope, userId } = token;
      const sandboxId = scope.kind === "sandbox" ? scope.sandboxId : null;
      const { changes } = insert.run(
        ...[id, name, hash, createdAtMs, expiresAtMs, lastUsedAtMs],
        ...[scope.kind, sandboxId, userId, max],
      );
      return changes !== 0;
    },
    async findByHash(hash) {
      const row = byHash.get(hash);
      return row === undefined ? null : readToken(row);
    },
    list: async () => all.all().map(readToken),
    async touch(id, lastUsedAtMs) {
      touch.run(lastUsedAtMs, id);
    },
    remove: async (id) => remove.run(id).changes !== 0,
  };
}

function sandboxStore(database: DatabaseSync): SandboxStore {
  const insert = database.prepare("INSERT INTO sandboxes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const addSecret = database.prepare("INSERT INTO secrets VALUES (?, ?, ?)");
  const byId = database.prepare("SELECT * FROM sandboxes WHERE id = ?");
  const newest = database.prepare(
    // A sandbox has all the labels asked for when none of them is missing in it.
    `SELECT * FROM sandboxes
     WHERE organization_id = ? AND NOT EXISTS (
       SELECT 1 FROM json_each(?) AS asked
       WHERE NOT EXISTS (
         SELECT 1 FROM json_each(sandboxes.labels) AS has
         WHERE has.key = asked.key AND has.value = asked.value))
     ORDER BY created_at_ms DESC, id LIMIT ?`,
  );
  const running = database.prepare("SELECT * FROM sandboxes WHERE status = 'running'");
  const setStopAt = database.prepare("UPDATE sandboxes SET stop_at_ms = ? WHERE id = ?");
  const setStopped = database.prepare(
    `UPDATE sandboxes SET status = 'stopped', stopped_at_ms = ?, end_reason = ?
     WHERE id = ? AND status = 'running'`,
  );
  const forget = database.prepare(
    "DELETE FROM sandboxes WHERE status = 'stopped' AND stopped_at_ms < ?",
  );
  return {
    async insert(sandbox, secrets = []) {
      const { id, region, status, createdAtMs, stoppedAtMs, stopAtMs, memoryMiB } = sandbox;
      const { labels, endReason, organizationId, createdBy } = sandbox;
      const text = JSON.stringify(labels);
      inTransaction(database, () => {
        insert.run(
          ...[id, region, status, createdAtMs, stoppedAtMs, stopAtMs, memoryMiB, text, endReason],
          ...[organizationId, createdBy],
        );
        for (const { sandboxId, name, sealed } of secrets) addSecret.run(sandboxId, name, sealed);
      });
    },
    async find(id) {
      const row = byId.get(id);
      return row === undefined ? null : readSandbox(row);
    },
    list: async ({ organizationId, labels, limit }) =>
      newest.all(organizationId, JSON.stringify(labels), limit).map(readSandbox),
    running: async () => running.all().map(readSandbox),
    async setStopAt(id, stopAtMs) {
      setStopAt.run(stopAtMs, id);
    },
    async setStopped(id, stoppedAtMs, reason) {
      setStopped.run(stoppedAtMs, reason, id);
    },
    forgetStopped: async (timeMs) => Number(forget.run(timeMs).changes),
  };
}

function secretStore(database: DatabaseSync): SecretStore {
  const put = database.prepare(
    `INSERT OR REPLACE INTO secrets
     SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM sandboxes WHERE id = ?1 AND status = 'running')`,
  );
  const list = database.prepare("SELECT * FROM secrets WHERE sandbox_id = ? ORDER BY name");
  const remove = database.prepare("DELETE FROM secrets WHERE sandbox_id = ? AND name = ?");
  return {
    async put({ sandboxId, name, sealed }) {
      put.run(sandboxId, name, sealed);
    },
    list: async (sandboxId) => list.all(sandboxId).map(readSecret),
    async remove(sandboxId, name) {
      remove.run(sandboxId, name);
    },
  };
}

function eventStore(database: DatabaseSync): EventStore {
  const append = database.prepare(
    `INSERT INTO events
     SELECT ?1, coalesce(max(seq), 0) + 1, ?2, ?3, ?4 FROM events WHERE sandbox_id = ?1
     RETURNING seq`,
  );
  const trim = database.prepare("DELETE FROM events WHERE sandbox_id = ? AND seq <= ?");
  const list = database.prepare("SELECT * FROM events WHERE sandbox_id = ? ORDER BY seq");
  return {
    async append({ sandboxId, atMs, kind, detail }) {
      const row = append.get(sandboxId, atMs, kind, JSON.stringify(detail));
      const seq = Number(row?.["seq"]);
      if (seq > limits.eventsPerSandboxMax) trim.run(sandboxId, seq - limits.eventsPerSandboxMax);
    },
    list: async (sandboxId) => list.all(sandboxId).map(readEvent),
  };
}

function exposureStore(database: DatabaseSync): ExposureStore {
  const insert = database.prepare("INSERT INTO exposures VALUES (?, ?, ?, ?)");
  const list = database.prepare("SELECT * FROM exposures WHERE sandbox_id = ? ORDER BY rowid");
  const setTarget = database.prepare("UPDATE exposures SET target = ? WHERE name = ?");
  return {
    async insert({ name, sandboxId, isPrivate, target }) {
      const text = target === null ? null : JSON.stringify(target);
      insert.run(name, sandboxId, isPrivate ? 1 : 0, text);
    },
    list: async (sandboxId) => list.all(sandboxId).map(readExposure),
    async setTarget(name, target) {
      setTarget.run(JSON.stringify(target), name);
    },
  };
}
