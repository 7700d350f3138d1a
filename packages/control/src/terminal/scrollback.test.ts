import assert from "node:assert/strict";
import { suite, test } from "node:test";

import fc from "fast-check";

import { Scrollback } from "./scrollback.ts";

suite("what a terminal has shown", () => {
  test("is kept from its end, as much as there may be", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 30 })), fc.nat(50), (chunks, most) => {
        const scrollback = new Scrollback(most);
        for (const chunk of chunks) scrollback.add(chunk);
        const whole = Buffer.concat(chunks);
        const expected = whole.subarray(Math.max(0, whole.length - most));
        assert.deepEqual(Buffer.from(scrollback.whole()), expected);
        scrollback.add(Uint8Array.of(1));
        const more = Buffer.concat([expected, Uint8Array.of(1)]);
        assert.deepEqual(
          Buffer.from(scrollback.whole()),
          more.subarray(Math.max(0, more.length - most)),
        );
      }),
    );
  });
});
