import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite, test } from "node:test";

import { SandboxId } from "@skerry/protocol";

import { storeContract } from "../testing/store-contract.ts";
import { tryLock } from "./lock.ts";
import { migrations } from "./migrations.ts";
import { openSqliteStore } from "./sqlite-store.ts";
import { firstIds, type Store } from "./store.ts";

storeContract("in memory", () => openSqliteStore(":memory:"));

storeContract("on disk", () => {
  const directory = makeDirectory();
  const store = openSqliteStore(join(directory.path, "control.db"));
  const close = async (): Promise<void> => {
    await store[Symbol.asyncDispose]();
    directory[Symbol.dispose]();
  };
  return { ...store, [Symbol.asyncDispose]: close } satisfies Store;
});

suite("the file of the store", () => {
  test("is for its owner's eyes, with all that SQLite puts beside it", async () => {
    using directory = makeDirectory();
    await using store = openSqliteStore(join(directory.path, "state", "control.db"));
    await store.tokens.list();
    const modes = readdirSync(join(directory.path, "state")).map((name) => [
      name,
      statSync(join(directory.path, "state", name)).mode & 0o777,
    ]);
    assert.equal(statSync(join(directory.path, "state")).mode & 0o777, 0o700);
    assert.ok(modes.length >= 1);
    for (const [name, mode] of modes) assert.equal(mode, 0o600, String(name));
  });

  test("gives what was there before there were users to the admin", async () => {
    using directory = makeDirectory();
    const path = join(directory.path, "control.db");
    const id = "sbx_ord_00000000000000000000";
    {
      using old = new DatabaseSync(path);
      for (const step of migrations.slice(0, 4)) old.exec(step);
      old.exec(`
        PRAGMA user_version = 4;
        INSERT INTO tokens VALUES ('tok_1', 'old', x'${"ab".repeat(32)}', 1, NULL, NULL);
        INSERT INTO sandboxes VALUES ('${id}', 'ord', 'running', 1, NULL, NULL, 1280, '{}', NULL);
        INSERT INTO ssh_grants VALUES (x'01', '${id}', 'K', 1);
        INSERT INTO ssh_keys VALUES ('key_1', 'laptop', 'ssh-ed25519', 'D', '', 1, 1);
      `);
    }
    await using store = openSqliteStore(path);
    const { organization, user } = firstIds;
    const token = await store.tokens.findByHash(Buffer.alloc(32, 0xab));
    assert.deepEqual([token?.userId, token?.scope], [user, { kind: "user" }]);
    const row = await store.sandboxes.find(SandboxId.parse(id));
    assert.deepEqual([row?.organizationId, row?.createdBy], [organization, user]);
    assert.equal((await store.ssh.findGrant(Buffer.of(1)))?.userId, user);
    assert.equal((await store.ssh.findKey(organization, "D"))?.id, "key_1");
    await store.sandboxes.setStopped(SandboxId.parse(id), 2, "killed");
  });

  test("keeps what was written when it is opened again", async () => {
    using directory = makeDirectory();
    const path = join(directory.path, "control.db");
    const token = { id: "tok_1", name: "kept", hash: new Uint8Array(32), createdAtMs: 1 };
    {
      await using store = openSqliteStore(path);
      const scope = { kind: "user" } as const;
      await store.tokens.insert({
        ...token,
        expiresAtMs: null,
        lastUsedAtMs: null,
        scope,
        userId: null,
      });
    }
    await using again = openSqliteStore(path);
    assert.deepEqual(
      (await again.tokens.list()).map(({ name }) => name),
      ["kept"],
    );
  });

  test("is refused when a newer server wrote it", () => {
    using directory = makeDirectory();
    const path = join(directory.path, "control.db");
    const newer = new DatabaseSync(path);
    newer.exec("PRAGMA user_version = 999");
    newer.close();
    assert.throws(() => openSqliteStore(path), /cannot be used/);
  });

  test("is refused when it is no database", () => {
    using directory = makeDirectory();
    const path = join(directory.path, "control.db");
    writeFileSync(
      path,
      "this is a diary, not a database, and it is long enough to tell".repeat(20),
    );
    assert.throws(() => openSqliteStore(path), /cannot be used/);
  });
});

suite("a lock", () => {
  test("is held by one, and free again when it is let go", () => {
    using directory = makeDirectory();
    const path = join(directory.path, "lock");
    const first = tryLock(path);
    assert.ok(first !== null);
    assert.equal(tryLock(path), null);
    first[Symbol.dispose]();
    const second = tryLock(path);
    assert.ok(second !== null);
    second[Symbol.dispose]();
  });
});

function makeDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "skerry-store-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}
