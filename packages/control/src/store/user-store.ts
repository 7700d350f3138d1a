import type { DatabaseSync } from "node:sqlite";

import { inTransaction } from "./database.ts";
import { readOrganization, readUser } from "./rows.ts";
import type { UserStore } from "./store.ts";

/** Users and organizations, in SQLite. */
export function userStore(database: DatabaseSync): UserStore {
  const insertOrganization = database.prepare(
    `INSERT OR IGNORE INTO organizations SELECT ?1, ?2, ?3
     WHERE (SELECT count(*) FROM organizations) < ?4`,
  );
  const organizations = database.prepare("SELECT * FROM organizations ORDER BY created_at_ms, id");
  const forgetSandboxes = database.prepare(
    `DELETE FROM sandboxes WHERE organization_id = ?1 AND status = 'stopped'
     AND NOT EXISTS (SELECT 1 FROM users WHERE organization_id = ?1)
     AND NOT EXISTS (SELECT 1 FROM sandboxes WHERE organization_id = ?1 AND status = 'running')`,
  );
  const removeOrganization = database.prepare(
    `DELETE FROM organizations WHERE id = ?1
     AND NOT EXISTS (SELECT 1 FROM users WHERE organization_id = ?1)
     AND NOT EXISTS (SELECT 1 FROM sandboxes WHERE organization_id = ?1)`,
  );
  const insert = database.prepare(
    `INSERT OR IGNORE INTO users SELECT ?1, ?2, ?3, ?4, ?5
     WHERE (SELECT count(*) FROM users) < ?6`,
  );
  const byId = database.prepare("SELECT * FROM users WHERE id = ?");
  const users = database.prepare("SELECT * FROM users ORDER BY created_at_ms, id");
  const remove = database.prepare("DELETE FROM users WHERE id = ?");
  return {
    async insertOrganization({ id, name, createdAtMs }, max) {
      return insertOrganization.run(id, name, createdAtMs, max).changes !== 0;
    },
    listOrganizations: async () => organizations.all().map(readOrganization),
    async removeOrganization(id) {
      let isGone = false;
      inTransaction(database, () => {
        forgetSandboxes.run(id);
        isGone = removeOrganization.run(id).changes !== 0;
      });
      return isGone;
    },
    async insert({ id, organizationId, name, role, createdAtMs }, max) {
      return insert.run(id, organizationId, name, role, createdAtMs, max).changes !== 0;
    },
    async find(id) {
      const row = byId.get(id);
      return row === undefined ? null : readUser(row);
    },
    list: async () => users.all().map(readUser),
    remove: async (id) => remove.run(id).changes !== 0,
  };
}
