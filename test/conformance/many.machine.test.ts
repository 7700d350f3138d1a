import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";

import { Sandbox } from "@deno/sandbox";

import { useServer } from "../support/official.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
before(async () => {
  server = await startServer({ pool: 3 });
  useServer(server);
});
after(() => server[Symbol.asyncDispose]());

suite("many sandboxes", { timeout: 400_000 }, () => {
  test("twenty at once all work, and their streams do not mix", async () => {
    const sandboxes = await Promise.all(Array.from({ length: 20 }, () => Sandbox.create()));
    const texts = await Promise.all(
      sandboxes.map((sandbox, i) => sandbox.sh`seq ${i * 1_000} ${i * 1_000 + 999}`.text()),
    );
    for (const [i, text] of texts.entries()) {
      const lines = Array.from({ length: 1_000 }, (_, k) => `${i * 1_000 + k}\n`);
      assert.equal(text, lines.join(""));
    }
    assert.equal(new Set(sandboxes.map(({ id }) => id)).size, 20);
    await Promise.all(sandboxes.map((sandbox) => sandbox.close()));
  });

  test("no two have the same identity or randomness, from the pool or from the template", async () => {
    const sandboxes = await Promise.all(Array.from({ length: 5 }, () => Sandbox.create()));
    const random = [
      "hostname",
      "cat /etc/machine-id",
      "cat /proc/sys/kernel/random/uuid",
      "cat /proc/sys/kernel/random/boot_id",
      "head -c 16 /dev/urandom | base64",
      "node -p 'crypto.randomUUID()'",
      "node -p 'Math.random()'",
      "python3 -c 'import random; print(random.random())'",
      "mktemp -u",
      "bash -c 'echo $RANDOM$RANDOM$RANDOM'",
    ];
    for (const command of random) {
      const values = await Promise.all(
        sandboxes.map((sandbox) => sandbox.sh`bash -c ${command}`.text()),
      );
      assert.equal(new Set(values).size, values.length, `${command}: ${values.join("")}`);
    }
    const clocks = await Promise.all(
      sandboxes.map(async (sandbox) => Number(await sandbox.sh`date +%s%3N`.text()) - Date.now()),
    );
    for (const offBy of clocks) assert.ok(Math.abs(offBy) < 2_000, `${offBy} ms`);
    await Promise.all(sandboxes.map((sandbox) => sandbox.close()));
  });
});
