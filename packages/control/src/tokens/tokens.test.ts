import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { openSqliteStore } from "../store/sqlite-store.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { Tokens } from "./tokens.ts";

suite("tokens", () => {
  test("a token that was issued is known, and only its hash is kept", async () => {
    await using store = openSqliteStore(":memory:");
    const tokens = new Tokens(store.tokens, new FakeClock());
    const { token, id } = await tokens.issue("laptop");
    assert.match(token, /^ddo_[0-9a-z]{40}$/);
    assert.equal((await tokens.verify(token))?.id, id);
    assert.ok(!JSON.stringify(await store.tokens.list()).includes(token));
    assert.notEqual((await tokens.issue("laptop")).token, token);
  });

  test("a token that expired or was revoked is not known", async () => {
    await using store = openSqliteStore(":memory:");
    const clock = new FakeClock();
    const tokens = new Tokens(store.tokens, clock);
    const short = await tokens.issue("short", clock.now() + 1_000);
    const long = await tokens.issue("long");
    assert.ok(await tokens.verify(short.token));
    clock.advance(1_000);
    assert.equal(await tokens.verify(short.token), null);
    assert.equal(await tokens.revoke(long.id), true);
    assert.equal(await tokens.revoke(long.id), false);
    assert.equal(await tokens.verify(long.token), null);
  });

  for (const text of ["", "ddo_", "ddo_unknown", "ddp_unknown", `ddo_${"x".repeat(100_000)}`]) {
    test(`"${text.slice(0, 20)}" is no token`, async () => {
      await using store = openSqliteStore(":memory:");
      assert.equal(await new Tokens(store.tokens, new FakeClock()).verify(text), null);
    });
  }

  test("the last use is noted, at most once a minute", async () => {
    await using store = openSqliteStore(":memory:");
    const clock = new FakeClock();
    const tokens = new Tokens(store.tokens, clock);
    const { token } = await tokens.issue("used");
    const lastUsed = async () => (await tokens.list())[0]?.lastUsedAtMs;
    assert.equal(await lastUsed(), null);
    const first = clock.now();
    await tokens.verify(token);
    clock.advance(10_000);
    await tokens.verify(token);
    assert.equal(await lastUsed(), first);
    clock.advance(60_000);
    await tokens.verify(token);
    assert.equal(await lastUsed(), clock.now());
    const before = clock.now();
    clock.advance(60_000);
    assert.equal(await tokens.isOurs(token), true, "asking whose it is, is no use of it");
    assert.equal(await tokens.isOurs(`${token}x`), false);
    assert.equal(await lastUsed(), before);
  });
});
