import type { DatabaseSync } from "node:sqlite";

import { readSshGrant, readSshKey } from "./rows.ts";
import type { SshStore } from "./store.ts";

/** Who may enter over SSH, in SQLite. */
export function sshStore(database: DatabaseSync): SshStore {
  const insertGrant = database.prepare(
    `INSERT INTO ssh_grants SELECT ?1, ?2, ?3, ?4, ?6
     WHERE EXISTS (SELECT 1 FROM sandboxes WHERE id = ?2 AND status = 'running')
     AND (SELECT count(*) FROM ssh_grants WHERE sandbox_id = ?2) < ?5`,
  );
  const grantByHash = database.prepare("SELECT * FROM ssh_grants WHERE hash = ?");
  const grantByKey = database.prepare("SELECT * FROM ssh_grants WHERE sandbox_id = ? AND key = ?");
  const insertKey = database.prepare(
    `INSERT OR IGNORE INTO ssh_keys SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
     WHERE (SELECT count(*) FROM ssh_keys WHERE user_id = ?2) < ?9`,
  );
  const keys = database.prepare(
    "SELECT * FROM ssh_keys WHERE user_id = ? ORDER BY created_at_ms, id",
  );
  const keyByData = database.prepare(
    `SELECT ssh_keys.* FROM ssh_keys JOIN users ON users.id = user_id
     WHERE data = ? AND organization_id = ? ORDER BY ssh_keys.created_at_ms, ssh_keys.id LIMIT 1`,
  );
  const removeKey = database.prepare(
    "DELETE FROM ssh_keys WHERE user_id = ? AND id = ? RETURNING *",
  );
  return {
    async insertGrant({ hash, sandboxId, key, createdAtMs, userId }, max) {
      return insertGrant.run(hash, sandboxId, key, createdAtMs, max, userId).changes !== 0;
    },
    async findGrant(hash) {
      const row = grantByHash.get(hash);
      return row === undefined ? null : readSshGrant(row);
    },
    async findGrantOfKey(sandboxId, key) {
      const row = grantByKey.get(sandboxId, key);
      return row === undefined ? null : readSshGrant(row);
    },
    async insertKey({ id, userId, name, type, data, comment, createdAtMs, updatedAtMs }, max) {
      const { changes } = insertKey.run(
        ...[id, userId, name, type, data, comment, createdAtMs, updatedAtMs, max],
      );
      return changes !== 0;
    },
    listKeys: async (userId) => keys.all(userId).map(readSshKey),
    async findKey(organizationId, data) {
      const row = keyByData.get(data, organizationId);
      return row === undefined ? null : readSshKey(row);
    },
    async removeKey(userId, id) {
      const row = removeKey.get(userId, id);
      return row === undefined ? null : readSshKey(row);
    },
  };
}
