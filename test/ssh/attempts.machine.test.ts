import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { startFakeGateway } from "../support/fake-gateway.ts";
import { newSshKey } from "../support/ssh-key.ts";

suite("the gateway", { timeout: 400_000 }, () => {
  test("bears 10,000 attempts from 1,000 addresses, and lets in who may", async () => {
    await using fake = await startFakeGateway();
    const { privateKey } = newSshKey();
    const before = process.memoryUsage().rss;
    let tries = 0;
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < 1_000) {
        const n = next++;
        const more = await fake.tryOn(`127.1.${n >> 8}.${n & 255}`, privateKey);
        tries += more;
      }
    };
    await Promise.all(Array.from({ length: 16 }, worker));
    assert.ok(2 * tries >= 10_000, `${tries}`); // each is an offer, then a signature
    assert.ok(await fake.isServed());
    const grown = (process.memoryUsage().rss - before) / 1_048_576;
    assert.ok(grown < 300, `${grown} MiB more`);
  });
});
