import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { suite, test } from "node:test";

import { Client, Sandbox } from "@deno/sandbox";

import { eventually } from "../support/eventually.ts";
import { holdingsOf } from "../support/holdings.ts";
import { makeTestHome, prepared } from "../support/machine-home.ts";
import { isAlive, machineProcesses } from "../support/machines.ts";
import { useServer } from "../support/official.ts";
import { startServer } from "../support/server.ts";

suite("a server that is killed", { timeout: 240_000 }, () => {
  test("leaves nothing of its session sandboxes, and takes back those with a duration", async () => {
    using home = makeTestHome(prepared().home);
    const before = holdingsOf(home.path);
    const first = await startServer({ home });
    useServer(first);
    const sessions = await Promise.all(Array.from({ length: 8 }, () => Sandbox.create()));
    const lasting = await Promise.all([1, 2].map(() => Sandbox.create({ timeout: "10m" })));
    await lasting[0]?.fs.writeTextFile("kept", "through a crash");
    const processes = machineProcesses(home.path);
    assert.equal(processes.size, 10);

    const waiting = [...sessions, ...lasting].map((sandbox) => sandbox.sh`sleep 1000`.text());
    for (const promise of waiting) promise.catch(() => undefined);
    first.process.kill("SIGKILL");
    await first.ended;
    for (const promise of waiting) await assert.rejects(promise);

    const second = await startServer({ home });
    useServer(second);
    for (const session of sessions) {
      const pid = processes.get(session.id) ?? 0;
      await eventually(`${session.id} is gone`, () => !isAlive(pid));
      await assert.rejects(Sandbox.connect(session.id), { code: "SANDBOX_NOT_FOUND" });
    }
    const list = await new Client().sandboxes.list();
    assert.deepEqual(
      list
        .filter(({ status }) => status === "running")
        .map(({ id }) => id)
        .toSorted(),
      lasting.map(({ id }) => id).toSorted(),
    );
    for (const { id } of lasting) {
      const again = await Sandbox.connect(id);
      assert.equal(await again.sh`echo back`.text(), "back\n");
      if (id === lasting[0]?.id)
        assert.equal(await again.fs.readTextFile("kept"), "through a crash");
      await again.kill();
    }
    await second[Symbol.asyncDispose]();
    assert.ok(!existsSync(`${home.path}/run/endpoint.json`));
    assert.deepEqual(
      holdingsOf(home.path),
      before.filter((held) => !held.includes("/machines")),
    );
  });

  test("a second server for the same home is refused", async () => {
    await using server = await startServer();
    await assert.rejects(
      startServer({ home: { path: server.home, [Symbol.dispose]: () => undefined } }),
      /the server ended/,
    );
  });
});
