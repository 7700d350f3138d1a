import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";

import { limits, makeSandboxId } from "@skerry/protocol";

import {
  firstIds,
  type SandboxRow,
  type Store,
  type TokenRow,
  type UserRow,
} from "../store/store.ts";

/** What every store does, whatever it is made of. `open` gives a fresh, empty one. */
export function storeContract(name: string, open: () => Promise<Store> | Store): void {
  suite(`the store ${name}`, () => {
    test("finds a token by its hash, and no other", async () => {
      await using store = await open();
      const token = aToken({ name: "laptop", expiresAtMs: 99 });
      await store.tokens.insert(token);
      const found = await store.tokens.findByHash(token.hash);
      assert.deepEqual(found && { ...found, hash: Buffer.from(found.hash) }, token);
      assert.equal(await store.tokens.findByHash(randomBytes(32)), null);
    });

    test("lists tokens from the oldest, and forgets those removed", async () => {
      await using store = await open();
      const [late, early] = [aToken({ createdAtMs: 2 }), aToken({ createdAtMs: 1 })];
      for (const token of [late, early]) await store.tokens.insert(token);
      await store.tokens.touch(early.id, 7);
      const listed = await store.tokens.list();
      assert.deepEqual(
        listed.map(({ id, lastUsedAtMs }) => [id, lastUsedAtMs]),
        [
          [early.id, 7],
          [late.id, null],
        ],
      );
      assert.equal(await store.tokens.remove(early.id), true);
      assert.equal(await store.tokens.remove(early.id), false);
      assert.equal(await store.tokens.findByHash(early.hash), null);
    });

    test("keeps tokens of a sandbox until it stops, and so many of them", async () => {
      await using store = await open();
      const [one, other] = [aSandbox(), aSandbox()];
      for (const row of [one, other]) await store.sandboxes.insert(row);
      const of = (sandboxId = one.id) => aToken({ scope: { kind: "sandbox", sandboxId } });
      const [first, second, others] = [of(), of(), of(other.id)];
      assert.equal(await store.tokens.insert(first, 1), true);
      assert.equal(await store.tokens.insert(second, 1), false);
      assert.equal(await store.tokens.insert(others, 1), true);
      assert.deepEqual((await store.tokens.findByHash(first.hash))?.scope, first.scope);
      await store.sandboxes.setStopped(one.id, 1, "killed");
      assert.equal(await store.tokens.findByHash(first.hash), null);
      assert.equal(await store.tokens.insert(second, 9), false);
      assert.deepEqual((await store.tokens.findByHash(others.hash))?.scope, others.scope);
    });

    test("has an organization and its admin from the start", async () => {
      await using store = await open();
      const [organization, ...others] = await store.users.listOrganizations();
      const [admin, ...more] = await store.users.list();
      assert.deepEqual([organization?.id, organization?.name], [firstIds.organization, "default"]);
      assert.deepEqual([admin?.id, admin?.name, admin?.role], [firstIds.user, "admin", "admin"]);
      assert.deepEqual([others, more], [[], []]);
    });

    test("keeps users by one name each, and takes all that is theirs with them", async () => {
      await using store = await open();
      const user = aUser("one");
      assert.equal(await store.users.insert(user, 2), true);
      assert.equal(await store.users.insert({ ...aUser("two"), name: user.name }, 9), false);
      assert.equal(await store.users.insert(aUser("three"), 2), false);
      assert.deepEqual(await store.users.find(user.id), user);
      const [token, other] = [aToken({ userId: user.id }), aToken({ userId: firstIds.user })];
      for (const each of [token, other]) assert.equal(await store.tokens.insert(each, 1), true);
      assert.equal(await store.tokens.insert(aToken({ userId: user.id }), 1), false);
      const sandbox = aSandbox();
      await store.sandboxes.insert(sandbox);
      const grant = { hash: randomBytes(32), sandboxId: sandbox.id, key: "k", createdAtMs: 1 };
      assert.ok(await store.ssh.insertGrant({ ...grant, userId: user.id }, 1));
      const key = { id: "key", userId: user.id, name: "", type: "ssh-ed25519", data: "D" };
      assert.ok(
        await store.ssh.insertKey({ ...key, comment: "", createdAtMs: 1, updatedAtMs: 1 }, 1),
      );
      assert.equal(await store.users.remove(user.id), true);
      assert.equal(await store.users.remove(user.id), false);
      assert.equal(await store.users.find(user.id), null);
      assert.equal(await store.tokens.findByHash(token.hash), null);
      assert.ok(await store.tokens.findByHash(other.hash));
      assert.equal(await store.ssh.findGrant(grant.hash), null);
      assert.equal(await store.ssh.findKey(firstIds.organization, "D"), null);
    });

    test("keeps organizations while somebody, or a sandbox that runs, is in them", async () => {
      await using store = await open();
      const organization = { id: "org_1", name: "one", createdAtMs: 9e12 };
      assert.equal(await store.users.insertOrganization(organization, 2), true);
      assert.equal(await store.users.insertOrganization({ ...organization, id: "x" }, 9), false);
      const user = { ...aUser("one"), organizationId: organization.id };
      assert.ok(await store.users.insert(user, 9));
      const sandbox = aSandbox({ organizationId: organization.id });
      await store.sandboxes.insert(sandbox);
      const filter = { labels: {}, limit: 9 };
      const listed = async (organizationId: string) =>
        (await store.sandboxes.list({ ...filter, organizationId })).length;
      assert.deepEqual(
        [await listed(organization.id), await listed(firstIds.organization)],
        [1, 0],
      );
      assert.equal(await store.users.removeOrganization(organization.id), false);
      await store.users.remove(user.id);
      assert.equal(await store.users.removeOrganization(organization.id), false);
      await store.sandboxes.setStopped(sandbox.id, 1, "killed");
      assert.equal(await store.users.removeOrganization(organization.id), true);
      assert.equal(await store.sandboxes.find(sandbox.id), null);
      assert.equal((await store.users.listOrganizations()).length, 1);
    });

    test("keeps a sandbox from its start to its end", async () => {
      await using store = await open();
      const row = aSandbox({ labels: { team: "red", "": "é\"'" }, stopAtMs: 50 });
      await store.sandboxes.insert(row);
      assert.deepEqual(await store.sandboxes.find(row.id), row);
      await store.sandboxes.setStopAt(row.id, 80);
      assert.deepEqual(await store.sandboxes.running(), [{ ...row, stopAtMs: 80 }]);
      await store.sandboxes.setStopped(row.id, 60, "killed");
      await store.sandboxes.setStopped(row.id, 70, "expired"); // the first end is the end
      const stopped = { ...row, stopAtMs: 80, status: "stopped", stoppedAtMs: 60 };
      assert.deepEqual(await store.sandboxes.find(row.id), { ...stopped, endReason: "killed" });
      assert.deepEqual(await store.sandboxes.running(), []);
    });

    test("lists sandboxes from the newest, by all the labels asked for", async () => {
      await using store = await open();
      const rows = [
        aSandbox({ createdAtMs: 1, labels: { team: "red", tier: "1" } }),
        aSandbox({ createdAtMs: 2, labels: { team: "red" } }),
        aSandbox({ createdAtMs: 3, labels: { team: "blue", tier: "1" } }),
      ];
      for (const row of rows) await store.sandboxes.insert(row);
      const times = async (labels: Record<string, string>, limit = 10) =>
        (await store.sandboxes.list({ organizationId: "org_default", labels, limit })).map(
          ({ createdAtMs }) => createdAtMs,
        );
      assert.deepEqual(await times({}), [3, 2, 1]);
      assert.deepEqual(await times({}, 2), [3, 2]);
      assert.deepEqual(await times({ team: "red" }), [2, 1]);
      assert.deepEqual(await times({ team: "red", tier: "1" }), [1]);
      assert.deepEqual(await times({ team: "RED" }), []);
      assert.deepEqual(await times({ "' OR 1=1 --": "x" }), []);
    });

    test("keeps the newest events of each sandbox, in order", async () => {
      await using store = await open();
      const [one, other] = [aSandbox(), aSandbox()];
      for (const row of [one, other]) await store.sandboxes.insert(row);
      const count = limits.eventsPerSandboxMax + 5;
      for (let atMs = 0; atMs < count; atMs++) {
        await store.events.append({ sandboxId: one.id, atMs, kind: "connected", detail: {} });
      }
      const event = { sandboxId: other.id, atMs: 1, kind: "created", detail: { a: [1] } } as const;
      await store.events.append(event);
      const kept = await store.events.list(one.id);
      assert.equal(kept.length, limits.eventsPerSandboxMax);
      assert.deepEqual([kept[0]?.atMs, kept.at(-1)?.atMs], [5, count - 1]);
      assert.deepEqual(await store.events.list(other.id), [event]);
    });

    test("keeps the secrets of a sandbox until it stops, and no longer", async () => {
      await using store = await open();
      const [one, other] = [aSandbox(), aSandbox()];
      const secret = (name: string, sandboxId = one.id) => ({
        ...{ sandboxId, name, sealed: randomBytes(40) },
      });
      const [a, b] = [secret("A"), secret("B")];
      await store.sandboxes.insert(one, [a, b]);
      await store.sandboxes.insert(other, [secret("A", other.id)]);
      const listed = async () =>
        (await store.secrets.list(one.id)).map((row) => ({
          ...row,
          sealed: Buffer.from(row.sealed),
        }));
      assert.deepEqual(await listed(), [a, b]);
      const changed = secret("A");
      await store.secrets.put(changed);
      await store.secrets.remove(one.id, "B");
      assert.deepEqual(await listed(), [changed]);
      await store.sandboxes.setStopped(one.id, 1, "killed");
      assert.deepEqual(await listed(), []);
      await store.secrets.put(a); // what was on its way when it stopped
      assert.deepEqual(await listed(), []);
      assert.equal((await store.secrets.list(other.id)).length, 1);
    });

    test("keeps ways in by SSH until their sandbox stops, and so many of them", async () => {
      await using store = await open();
      const row = aSandbox();
      await store.sandboxes.insert(row);
      const grant = (key: string) => ({
        ...{ hash: randomBytes(32), sandboxId: row.id, key, createdAtMs: 1, userId: "usr_admin" },
      });
      const [one, two] = [grant("one"), grant("two")];
      assert.equal(await store.ssh.insertGrant(one, 1), true);
      assert.equal(await store.ssh.insertGrant(two, 1), false);
      assert.equal((await store.ssh.findGrant(one.hash))?.sandboxId, row.id);
      assert.equal(await store.ssh.findGrant(two.hash), null);
      assert.ok(await store.ssh.findGrantOfKey(row.id, "one"));
      assert.equal(await store.ssh.findGrantOfKey(row.id, "two"), null);
      await store.sandboxes.setStopped(row.id, 1, "killed");
      assert.equal(await store.ssh.findGrant(one.hash), null);
      assert.equal(await store.ssh.insertGrant(two, 9), false);
    });

    test("keeps each key of the user once, until it is taken away", async () => {
      await using store = await open();
      const key = (id: string, data: string, createdAtMs: number) => ({
        ...{
          id,
          userId: "usr_admin",
          name: id,
          type: "ssh-ed25519",
          data,
          comment: "",
          createdAtMs,
        },
        updatedAtMs: createdAtMs,
      });
      const [late, early] = [key("a", "A", 2), key("b", "B", 1)];
      assert.equal(await store.ssh.insertKey(late, 2), true);
      assert.equal(await store.ssh.insertKey({ ...late, id: "again" }, 9), false);
      assert.equal(await store.ssh.insertKey(early, 2), true);
      assert.equal(await store.ssh.insertKey(key("c", "C", 3), 2), false);
      assert.deepEqual(await store.ssh.listKeys("usr_admin"), [early, late]);
      assert.deepEqual(await store.ssh.findKey("org_default", "A"), late);
      assert.deepEqual(await store.ssh.removeKey("usr_admin", "a"), late);
      assert.equal(await store.ssh.removeKey("usr_admin", "a"), null);
      assert.equal(await store.ssh.findKey("org_default", "A"), null);
    });

    test("takes a sandbox with all its secrets or not at all", async () => {
      await using store = await open();
      const row = aSandbox();
      const secret = { sandboxId: row.id, name: "A", sealed: randomBytes(40) };
      await assert.rejects(store.sandboxes.insert(row, [secret, secret]));
      assert.equal(await store.sandboxes.find(row.id), null);
    });

    test("keeps the names of each sandbox, and what they lead to", async () => {
      await using store = await open();
      const [one, other] = [aSandbox(), aSandbox()];
      for (const row of [one, other]) await store.sandboxes.insert(row);
      const names = [
        { name: "b", sandboxId: one.id, isPrivate: false, target: null },
        { name: "a", sandboxId: one.id, isPrivate: true, target: { kind: "process", pid: 7 } },
        { name: "c", sandboxId: other.id, isPrivate: false, target: null },
      ] as const;
      for (const exposure of names) await store.exposures.insert(exposure);
      await assert.rejects(store.exposures.insert(names[0]));
      const target = { kind: "port", port: 80 } as const;
      await store.exposures.setTarget("b", target);
      assert.deepEqual(await store.exposures.list(one.id), [{ ...names[0], target }, names[1]]);
      await store.sandboxes.setStopped(one.id, 10, "killed");
      await store.sandboxes.forgetStopped(20);
      assert.deepEqual(await store.exposures.list(one.id), []);
      assert.deepEqual(await store.exposures.list(other.id), [names[2]]);
    });

    test("forgets what stopped long ago, with its events, and nothing else", async () => {
      await using store = await open();
      const [old, recent, running] = [aSandbox(), aSandbox(), aSandbox()];
      for (const row of [old, recent, running]) {
        await store.sandboxes.insert(row);
        await store.events.append({ sandboxId: row.id, atMs: 1, kind: "created", detail: {} });
      }
      await store.sandboxes.setStopped(old.id, 10, "expired");
      await store.sandboxes.setStopped(recent.id, 20, "expired");
      assert.equal(await store.sandboxes.forgetStopped(20), 1);
      assert.equal(await store.sandboxes.find(old.id), null);
      assert.deepEqual(await store.events.list(old.id), []);
      assert.equal((await store.events.list(running.id)).length, 1);
      assert.equal(
        (await store.sandboxes.list({ organizationId: "org_default", labels: {}, limit: 10 }))
          .length,
        2,
      );
    });
  });
}

function aUser(name: string): UserRow {
  const organizationId = firstIds.organization;
  return { id: `usr_${name}`, organizationId, name, role: "member", createdAtMs: 9e12 };
}

function aToken(token: Partial<TokenRow> = {}): TokenRow {
  return {
    id: `tok_${randomBytes(8).toString("hex")}`,
    name: "a token",
    hash: randomBytes(32),
    ...{ createdAtMs: 1, expiresAtMs: null, lastUsedAtMs: null, scope: { kind: "user" } },
    userId: null,
    ...token,
  };
}

function aSandbox(row: Partial<SandboxRow> = {}): SandboxRow {
  return {
    id: makeSandboxId("ord", randomBytes(20)),
    ...{ organizationId: "org_default", createdBy: "usr_admin" },
    region: "ord",
    status: "running",
    ...{ createdAtMs: 1, stoppedAtMs: null, stopAtMs: null, memoryMiB: 1280 },
    ...{ labels: {}, endReason: null },
    ...row,
  };
}
