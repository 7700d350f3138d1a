import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";

import { limits, makeSandboxId, type SandboxId } from "@skerry/protocol";
import { pino } from "pino";

import { Vault, vaultKeyBytes } from "../secrets/vault.ts";
import { openSqliteStore } from "../store/sqlite-store.ts";
import type { Store } from "../store/store.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { FakeHost, FakeMachine } from "../testing/fake-host.ts";
import { Sandboxes } from "./sandboxes.ts";

const log = pino({ level: "silent" });
const never = new AbortController().signal;
const owner = { organizationId: "org_mine", createdBy: "usr_me" };
const network = { kind: "open" } as const;
const vault = new Vault(randomBytes(vaultKeyBytes));
const spec = {
  ...{ region: "ord", memoryMiB: 1280, labels: {}, env: {}, stopAtMs: null, network, secrets: [] },
};

function open(store: Store, options: { readonly sandboxesMax?: number } = {}) {
  const host = new FakeHost();
  const clock = new FakeClock();
  const { lifetimeMaxMs, sandboxesMax } = { ...limits, ...options };
  const sandboxes = new Sandboxes({
    ...{ host, store, clock, log, vault, lifetimeMaxMs },
    ...{ sandboxesMax, organizationSandboxesMax: sandboxesMax },
  });
  return { host, clock, sandboxes };
}

async function remember(store: Store, stopAtMs: number | null): Promise<SandboxId> {
  const id = makeSandboxId("ord", randomBytes(20));
  await store.sandboxes.insert({
    ...owner,
    ...{ id, region: "ord", status: "running", createdAtMs: 1, memoryMiB: 1280, labels: {} },
    ...{ stoppedAtMs: null, endReason: null, stopAtMs },
  });
  return id;
}

suite("a new server", () => {
  test("takes up the sandboxes whose time has not come, and marks all others as over", async () => {
    await using store = openSqliteStore(":memory:");
    const { host, clock, sandboxes } = open(store);
    const lasting = await remember(store, clock.now() + 60_000);
    const lost = await remember(store, clock.now() + 60_000);
    const expired = await remember(store, clock.now() - 1);
    const session = await remember(store, null);
    for (const id of [lasting, session]) host.left.set(id, new FakeMachine(id, {}, host));
    await sandboxes.adopt(never);
    assert.deepEqual([...host.wanted.keys()], [lasting, lost]);
    assert.equal(sandboxes.get(lasting).isRunning, true);
    const reasons = async (id: SandboxId) => (await store.sandboxes.find(id))?.endReason;
    assert.equal(await reasons(lasting), null);
    assert.equal(await reasons(lost), "lost");
    assert.equal(await reasons(expired), "expired");
    assert.equal(await reasons(session), "session-closed");
    for (const id of [lost, expired, session]) {
      assert.throws(() => sandboxes.get(id), { code: "SANDBOX_NOT_FOUND" });
    }
    const { ended } = sandboxes.get(lasting);
    clock.advance(60_000);
    assert.equal(await ended, "expired");
    assert.equal(host.machines.size, 0);
  });

  test("forgets what stopped long ago", async () => {
    await using store = openSqliteStore(":memory:");
    const { clock, sandboxes } = open(store);
    const id = await remember(store, 5);
    await store.sandboxes.setStopped(id, clock.now() - limits.stoppedKeptMs - 1, "expired");
    await sandboxes.adopt(never);
    await assert.rejects(sandboxes.find(id), { code: "SANDBOX_NOT_FOUND" });
  });
});

suite("a sandbox", () => {
  test("ends at its time, and the store knows why", async () => {
    await using store = openSqliteStore(":memory:");
    const { host, clock, sandboxes } = open(store);
    const sandbox = await sandboxes.create(
      { ...spec, stopAtMs: clock.now() + 1_000 },
      owner,
      never,
    );
    clock.advance(999);
    assert.ok(sandbox.isRunning);
    clock.advance(1);
    assert.equal(await sandbox.ended, "expired");
    assert.equal(host.machines.size, 0);
    const row = await sandboxes.find(sandbox.id);
    assert.deepEqual([row.status, row.endReason], ["stopped", "expired"]);
    assert.equal(row.stoppedAtMs, clock.now());
    assert.equal(sandboxes.count, 0);
  });

  test("is not created when its machine dies at once", async () => {
    await using store = openSqliteStore(":memory:");
    const { host, sandboxes } = open(store);
    const insert = store.sandboxes.insert.bind(store.sandboxes);
    const slow: Store = {
      ...store,
      sandboxes: {
        ...store.sandboxes,
        async insert(row) {
          await insert(row);
          host.machine.crash();
          await host.machine.gone;
        },
      },
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
    const { clock } = open(store);
    const room = { sandboxesMax: 1, organizationSandboxesMax: 1 };
    const options = { host, store: slow, clock, log, vault, lifetimeMaxMs: 1, ...room };
    const fragile = new Sandboxes(options);
    await assert.rejects(fragile.create(spec, owner, never), { code: "HOST_UNAVAILABLE" });
    assert.equal(host.machines.size, 0);
    assert.equal(fragile.count, 0);
    const [row] = await sandboxes.list(owner.organizationId, {});
    assert.equal(row?.status, "stopped");
  });

  test("is not created when the store does not take it, and nothing is left", async () => {
    await using store = openSqliteStore(":memory:");
    const { host, sandboxes } = open(store);
    await store[Symbol.asyncDispose]();
    await assert.rejects(sandboxes.create(spec, owner, never), { code: "INTERNAL" });
    assert.equal(host.machines.size, 0);
    assert.equal(sandboxes.count, 0);
  });

  test("goes on when the store fails later", async () => {
    await using store = openSqliteStore(":memory:");
    const { host, sandboxes } = open(store);
    const sandbox = await sandboxes.create(spec, owner, never);
    await store[Symbol.asyncDispose]();
    sandbox.record("connected", {});
    assert.ok(sandbox.isRunning);
    sandbox.request({ kind: "kill" });
    assert.equal(await sandbox.ended, "killed");
    assert.equal(host.machines.size, 0);
  });

  test("is let go even when its machine cannot be disposed of", async () => {
    await using store = openSqliteStore(":memory:");
    const { host, sandboxes } = open(store);
    const sandbox = await sandboxes.create(spec, owner, never);
    host.beforeDispose = async () => Promise.reject(new Error("stuck"));
    sandbox.request({ kind: "kill" });
    assert.equal(await sandbox.ended, "killed");
    assert.equal(sandboxes.count, 0);
  });

  test("is let go when its machine never finishes going", async () => {
    await using store = openSqliteStore(":memory:");
    const { host, clock, sandboxes } = open(store);
    const sandbox = await sandboxes.create(spec, owner, never);
    host.beforeDispose = () => new Promise(() => {});
    sandbox.request({ kind: "kill" });
    clock.advance(2 * limits.disposeMs);
    assert.equal(await sandbox.ended, "killed");
  });

  test("keeps a bounded account of what its user does", async () => {
    await using store = openSqliteStore(":memory:");
    const { sandboxes } = open(store);
    const sandbox = await sandboxes.create(spec, owner, never);
    const args = Array.from({ length: 10_000 }, () => "x".repeat(100));
    sandbox.record("command-started", { pid: 1, command: "y".repeat(100_000), args });
    sandbox.request({ kind: "kill" });
    await sandbox.ended;
    const events = await sandboxes.events(sandbox.id);
    assert.equal(events.length, 3);
    for (const { detail } of events) {
      assert.ok(JSON.stringify(detail).length < limits.eventDetailBytesMax);
    }
  });
});

suite("a server that closes", () => {
  test("ends all sandboxes, and creates no more", async () => {
    await using store = openSqliteStore(":memory:");
    const { host, clock, sandboxes } = open(store);
    const made = await Promise.all([
      sandboxes.create(spec, owner, never),
      sandboxes.create({ ...spec, stopAtMs: clock.now() + 1_000 }, owner, never),
    ]);
    await sandboxes.close();
    assert.equal(host.machines.size, 0);
    for (const sandbox of made) assert.equal(await sandbox.ended, "shutdown");
    await assert.rejects(sandboxes.create(spec, owner, never), { code: "SHUTTING_DOWN" });
    assert.deepEqual(await store.sandboxes.running(), []);
  });

  test("can leave those with a duration to the next one", async () => {
    await using store = openSqliteStore(":memory:");
    const { host, clock, sandboxes } = open(store);
    await sandboxes.create(spec, owner, never);
    const { id } = await sandboxes.create(
      { ...spec, stopAtMs: clock.now() + 60_000 },
      owner,
      never,
    );
    assert.deepEqual(await sandboxes.close(true), new Set([id]));
    assert.deepEqual([...host.machines.keys()], [id]);
    const next = open(store);
    next.host.left.set(id, host.machine);
    await next.sandboxes.adopt(never);
    assert.ok(next.sandboxes.get(id).isRunning);
    await next.sandboxes.close();
  });
});
