import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { suite, test } from "node:test";

import { placeholderOf, secretWith } from "./testing.ts";
import { SecretInClearError, Watch } from "./watch.ts";

const secrets = [secretWith("a"), secretWith("b")];

suite("a connection that no secret may go over", () => {
  test("passes all that has no placeholder", async () => {
    const text = `DENO_SECRET_PLACEHOLDER_${"c".repeat(64)} ${placeholderOf("a").slice(1)}`;
    const passed = await buffer(Readable.from([Buffer.from(text)]).pipe(new Watch(secrets)));
    assert.equal(passed.toString(), text);
  });

  test("fails at a placeholder, wherever it is cut into chunks", async () => {
    const whole = Buffer.from(`GET / HTTP/1.1\r\nkey: ${placeholderOf("b")}\r\n`);
    for (let at = 1; at < whole.length; at += 1) {
      const watch = new Watch(secrets);
      const chunks = [whole.subarray(0, at), whole.subarray(at)];
      const passed = buffer(Readable.from(chunks).pipe(watch));
      await assert.rejects(passed, (error: unknown) => {
        assert.ok(error instanceof SecretInClearError);
        assert.equal(error.secret, "KEY_b");
        return true;
      });
    }
  });
});
