import type { SQLOutputValue } from "node:sqlite";

import { SandboxId } from "@skerry/protocol";

import type {
  EndReason,
  EventKind,
  ExposeTarget,
  ExposureRow,
  OrganizationRow,
  SandboxEvent,
  SandboxRow,
  SecretRow,
  SshGrantRow,
  SshKeyRow,
  TokenRow,
  TokenScope,
  UserRow,
} from "./store.ts";

/** Rows of the database as values. The tables are STRICT and written by this package alone. */
type Row = Record<string, SQLOutputValue>;

/** A row of `organizations`. */
export function readOrganization(row: Row): OrganizationRow {
  return {
    id: text(row, "id"),
    name: text(row, "name"),
    createdAtMs: Number(row["created_at_ms"]),
  };
}

/** A row of `users`. */
export function readUser(row: Row): UserRow {
  return {
    id: text(row, "id"),
    organizationId: text(row, "organization_id"),
    name: text(row, "name"),
    role: text(row, "role") === "admin" ? "admin" : "member",
    createdAtMs: Number(row["created_at_ms"]),
  };
}

/** A row of `tokens`. */
export function readToken(row: Row): TokenRow {
  return {
    id: text(row, "id"),
    name: text(row, "name"),
    hash: bytes(row, "hash"),
    createdAtMs: Number(row["created_at_ms"]),
    expiresAtMs: timeOrNull(row, "expires_at_ms"),
    lastUsedAtMs: timeOrNull(row, "last_used_at_ms"),
    scope: readScope(row),
    userId: textOrNull(row, "user_id"),
  };
}

function readScope(row: Row): TokenScope {
  const kind = text(row, "scope");
  if (kind === "sandbox") return { kind, sandboxId: SandboxId.parse(row["sandbox_id"]) };
  if (kind === "user" || kind === "gateway") return { kind };
  throw new TypeError(`column scope is ${kind}`); // never more than was meant
}

/** A row of `sandboxes`. */
export function readSandbox(row: Row): SandboxRow {
  return {
    id: SandboxId.parse(row["id"]),
    organizationId: text(row, "organization_id"),
    createdBy: text(row, "created_by"),
    region: text(row, "region"),
    status: text(row, "status") === "running" ? "running" : "stopped",
    createdAtMs: Number(row["created_at_ms"]),
    stoppedAtMs: timeOrNull(row, "stopped_at_ms"),
    stopAtMs: timeOrNull(row, "stop_at_ms"),
    memoryMiB: Number(row["memory_mib"]),
    labels: JSON.parse(text(row, "labels")) as Record<string, string>, // written by insert()
    endReason: row["end_reason"] === null ? null : (text(row, "end_reason") as EndReason),
  };
}

/** A row of `secrets`. */
export function readSecret(row: Row): SecretRow {
  return {
    sandboxId: SandboxId.parse(row["sandbox_id"]),
    name: text(row, "name"),
    sealed: bytes(row, "sealed"),
  };
}

/** A row of `ssh_grants`. */
export function readSshGrant(row: Row): SshGrantRow {
  return {
    hash: bytes(row, "hash"),
    sandboxId: SandboxId.parse(row["sandbox_id"]),
    key: text(row, "key"),
    createdAtMs: Number(row["created_at_ms"]),
    userId: textOrNull(row, "user_id"),
  };
}

/** A row of `ssh_keys`. */
export function readSshKey(row: Row): SshKeyRow {
  return {
    id: text(row, "id"),
    userId: text(row, "user_id"),
    name: text(row, "name"),
    type: text(row, "type"),
    data: text(row, "data"),
    comment: text(row, "comment"),
    createdAtMs: Number(row["created_at_ms"]),
    updatedAtMs: Number(row["updated_at_ms"]),
  };
}

/** A row of `events`. */
export function readEvent(row: Row): SandboxEvent {
  return {
    sandboxId: SandboxId.parse(row["sandbox_id"]),
    atMs: Number(row["at_ms"]),
    kind: text(row, "kind") as EventKind, // written by append()
    detail: JSON.parse(text(row, "detail")) as Record<string, unknown>,
  };
}

/** A row of `exposures`. */
export function readExposure(row: Row): ExposureRow {
  const { target } = row;
  return {
    name: text(row, "name"),
    sandboxId: SandboxId.parse(row["sandbox_id"]),
    isPrivate: Number(row["is_private"]) === 1,
    target: target === null ? null : (JSON.parse(text(row, "target")) as ExposeTarget), // of setTarget()
  };
}

function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new TypeError(`column ${column} is not text`);
  return value;
}

function textOrNull(row: Row, column: string): string | null {
  return row[column] === null ? null : text(row, column);
}

function bytes(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw new TypeError(`column ${column} is not a blob`);
  return value;
}

function timeOrNull(row: Row, column: string): number | null {
  const value = row[column];
  return value === null || value === undefined ? null : Number(value);
}
