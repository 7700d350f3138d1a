/**
 * The schema, one step per version: `migrations[n]` leads from version n to n + 1. A step that was
 * released is never edited; a change is a new step at the end.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER,
    last_used_at_ms INTEGER
  ) STRICT;

  CREATE TABLE sandboxes (
    id TEXT PRIMARY KEY,
    region TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('running', 'stopped')),
    created_at_ms INTEGER NOT NULL,
    stopped_at_ms INTEGER,
    stop_at_ms INTEGER,
    memory_mib INTEGER NOT NULL,
    labels TEXT NOT NULL,
    end_reason TEXT
  ) STRICT;
  CREATE INDEX sandboxes_by_age ON sandboxes (created_at_ms);
  CREATE INDEX sandboxes_running ON sandboxes (status) WHERE status = 'running';

  CREATE TABLE events (
    sandbox_id TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (sandbox_id, seq)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE secrets (
    sandbox_id TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (sandbox_id, name)
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER secrets_end AFTER UPDATE OF status ON sandboxes WHEN new.status = 'stopped'
  BEGIN DELETE FROM secrets WHERE sandbox_id = new.id; END;
  `,
  `
  CREATE TABLE exposures (
    name TEXT PRIMARY KEY,
    sandbox_id TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
    is_private INTEGER NOT NULL,
    target TEXT
  ) STRICT;
  CREATE INDEX exposures_by_sandbox ON exposures (sandbox_id);
  `,
  `
  CREATE TABLE ssh_grants (
    hash BLOB PRIMARY KEY,
    sandbox_id TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX ssh_grants_by_sandbox ON ssh_grants (sandbox_id);
  CREATE TRIGGER ssh_grants_end AFTER UPDATE OF status ON sandboxes WHEN new.status = 'stopped'
  BEGIN DELETE FROM ssh_grants WHERE sandbox_id = new.id; END;
  CREATE TABLE ssh_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL UNIQUE,
    comment TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE tokens ADD COLUMN scope TEXT NOT NULL DEFAULT 'user' CHECK (scope IN ('user', 'sandbox'));
  ALTER TABLE tokens ADD COLUMN sandbox_id TEXT REFERENCES sandboxes (id) ON DELETE CASCADE;
  CREATE INDEX tokens_by_sandbox ON tokens (sandbox_id) WHERE sandbox_id IS NOT NULL;
  CREATE TRIGGER tokens_end AFTER UPDATE OF status ON sandboxes WHEN new.status = 'stopped'
  BEGIN DELETE FROM tokens WHERE sandbox_id = new.id; END;
  `,
  // What was there before there were users is of the one organization and its admin.
  `
  CREATE TABLE organizations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE users (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL CHECK (role IN ('admin', 'member')),
    created_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX users_by_organization ON users (organization_id);
  INSERT INTO organizations VALUES ('org_default', 'default', unixepoch() * 1000);
  INSERT INTO users VALUES ('usr_admin', 'org_default', 'admin', 'admin', unixepoch() * 1000);

  ALTER TABLE sandboxes ADD COLUMN organization_id TEXT NOT NULL DEFAULT 'org_default';
  ALTER TABLE sandboxes ADD COLUMN created_by TEXT NOT NULL DEFAULT 'usr_admin';
  CREATE INDEX sandboxes_by_organization ON sandboxes (organization_id, created_at_ms);

  DROP TRIGGER tokens_end;
  DROP INDEX tokens_by_sandbox;
  ALTER TABLE tokens RENAME TO tokens_before;
  CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER,
    last_used_at_ms INTEGER,
    scope TEXT NOT NULL,
    sandbox_id TEXT REFERENCES sandboxes (id) ON DELETE CASCADE,
    user_id TEXT REFERENCES users (id) ON DELETE CASCADE
  ) STRICT;
  INSERT INTO tokens SELECT *, iif(scope = 'user', 'usr_admin', NULL) FROM tokens_before;
  DROP TABLE tokens_before;
  CREATE INDEX tokens_by_sandbox ON tokens (sandbox_id) WHERE sandbox_id IS NOT NULL;
  CREATE INDEX tokens_by_user ON tokens (user_id) WHERE user_id IS NOT NULL;
  CREATE TRIGGER tokens_end AFTER UPDATE OF status ON sandboxes WHEN new.status = 'stopped'
  BEGIN DELETE FROM tokens WHERE sandbox_id = new.id; END;

  ALTER TABLE ssh_grants ADD COLUMN user_id TEXT REFERENCES users (id) ON DELETE CASCADE;
  UPDATE ssh_grants SET user_id = 'usr_admin';
  CREATE INDEX ssh_grants_by_user ON ssh_grants (user_id) WHERE user_id IS NOT NULL;

  ALTER TABLE ssh_keys RENAME TO ssh_keys_before;
  CREATE TABLE ssh_keys (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    comment TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    UNIQUE (user_id, data)
  ) STRICT;
  INSERT INTO ssh_keys SELECT id, 'usr_admin', name, type, data, comment, created_at_ms, updated_at_ms
  FROM ssh_keys_before;
  DROP TABLE ssh_keys_before;
  CREATE INDEX ssh_keys_by_data ON ssh_keys (data);
  `,
];
