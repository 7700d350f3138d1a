import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { suite, test } from "node:test";

import fc from "fast-check";

import { Mask, maskText, needlesFor } from "./mask.ts";
import { secretWith } from "./testing.ts";

const secret = secretWith("a", { value: 'sk-"0123"-ä' });
const needles = needlesFor([secret]);

async function through(chunks: readonly Buffer[]): Promise<Buffer> {
  return await buffer(Readable.from(chunks).pipe(new Mask(needles)));
}

suite("what comes back", () => {
  test("has stars for secrets, as many as they have bytes, in each form that is foreseen", async () => {
    const { value } = secret;
    for (const form of [
      value,
      JSON.stringify(value).slice(1, -1),
      encodeURIComponent(value),
      Buffer.from(value).toString("base64"),
    ]) {
      const text = Buffer.from(`before ${form} after`);
      const masked = await through([text]);
      assert.equal(masked.length, text.length);
      assert.match(masked.toString(), /^before \*{8,}=* after$/);
    }
    const latin1 = Buffer.from(value).toString("latin1");
    assert.equal(maskText(`x ${latin1}`, needles), `x ${"*".repeat(latin1.length)}`);
  });

  test("is masked wherever it is cut into chunks, and nothing else of it changes", async () => {
    const piece = fc.oneof(
      fc.constant(Buffer.from(secret.value)),
      fc.constant(Buffer.from(secret.value).subarray(0, 5)),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece),
        fc.array(fc.integer({ min: 1, max: 9 })),
        async (pieces, cuts) => {
          const whole = Buffer.concat(pieces);
          const masked = await through(cut(whole, cuts));
          const expected = maskText(whole.toString("latin1"), needles);
          assert.equal(masked.toString("latin1"), expected);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("is not held back for long when it ends like the beginning of a secret", async () => {
    const mask = new Mask(needles);
    const { promise, resolve } = Promise.withResolvers<string>();
    mask.on("data", (chunk: Buffer) => resolve(chunk.toString()));
    mask.write("s");
    assert.equal(await promise, "s");
    mask.destroy();
  });

  test("is not looked through for values so short that they are everywhere", () => {
    assert.deepEqual(needlesFor([secretWith("a", { value: "short" })]), []);
  });
});

function cut(whole: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (const size of sizes) {
    chunks.push(whole.subarray(at, at + size));
    at += size;
  }
  return [...chunks, whole.subarray(at)];
}
