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
];
