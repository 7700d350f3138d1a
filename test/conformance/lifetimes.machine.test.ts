import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";

import { Client, Sandbox } from "@deno/sandbox";

import { useServer } from "../support/official.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
before(async () => {
  server = await startServer();
  useServer(server);
});
after(() => server[Symbol.asyncDispose]());

/** Waits until the server says that a sandbox is gone: the client is not told. */
async function gone(id: string): Promise<void> {
  const client = new Client();
  const deadline = Date.now() + 10_000;
  for (;;) {
    const entry = (await client.sandboxes.list()).find((listed) => listed.id === id);
    if (entry?.status !== "running") return;
    assert.ok(Date.now() < deadline, `${id} still runs`);
  }
}

suite("lifetimes", { timeout: 400_000 }, () => {
  test("a session sandbox is gone when its creator closes it", async () => {
    const sandbox = await Sandbox.create();
    const { id } = sandbox;
    assert.match(id, /^sbx_ord_[0-9a-hjkmnp-z]{20}$/);
    await sandbox.close();
    await gone(id);
    await assert.rejects(Sandbox.connect({ id }), { code: "SANDBOX_NOT_FOUND", status: 404 });
  });

  test("a duration sandbox survives its creator, keeps its files, and is found again by id", async () => {
    const sandbox = await Sandbox.create({ timeout: "5m" });
    await sandbox.fs.writeTextFile("kept", "still here");
    await sandbox.close();
    const again = await Sandbox.connect(sandbox.id);
    assert.equal(await again.fs.readTextFile("kept"), "still here");
    assert.equal(await again.sh`echo 'Still alive!'`.text(), "Still alive!\n");
    await again.kill();
    await assert.rejects(Sandbox.connect({ id: sandbox.id }), { code: "SANDBOX_NOT_FOUND" });
  });

  test("two clients share one sandbox, and the second does not keep a session alive", async () => {
    const first = await Sandbox.create();
    const second = await Sandbox.connect(first.id);
    await first.fs.writeTextFile("shared", "from the first");
    assert.equal(await second.fs.readTextFile("shared"), "from the first");
    const ended = second.closed;
    await first.close();
    await ended;
  });

  test("a duration ends at its time, with a client attached", async () => {
    const sandbox = await Sandbox.create({ timeout: "3s" });
    await sandbox.closed;
    await gone(sandbox.id);
  });

  test("extendTimeout gives a later end and tells it", async () => {
    const sandbox = await Sandbox.create({ timeout: "1m" });
    const until = await sandbox.extendTimeout("10m");
    const inMs = until.getTime() - Date.now();
    assert.ok(inMs > 9 * 60_000 && inMs <= 10 * 60_000 + 1_000, `${inMs} ms`);
    await sandbox.kill();
  });

  test("labels filter the list", async () => {
    await using one = await Sandbox.create({ labels: { team: "red", tier: "1" } });
    await using two = await Sandbox.create({ labels: { team: "blue" } });
    const list = await new Client().sandboxes.list({ labels: { team: "red" } });
    assert.deepEqual(
      list.filter(({ status }) => status === "running").map(({ id }) => id),
      [one.id],
    );
    void two;
  });

  test("variables given at the start are there", async () => {
    await using sandbox = await Sandbox.create({
      env: { NODE_ENV: "development", FLAG: "agents" },
    });
    assert.equal(await sandbox.sh`echo $NODE_ENV $FLAG`.text(), "development agents\n");
  });

  for (const [memory, least] of [
    ["768MiB", 640],
    ["1GiB", 880],
    ["4GiB", 3_800],
  ] as const) {
    test(`memory of ${memory} is in the machine`, async () => {
      await using sandbox = await Sandbox.create({ memory });
      const total = await sandbox.sh`awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo`.text();
      assert.ok(Number(total) >= least, `${total} MiB`);
    });
  }
});
