import assert from "node:assert/strict";
import { suite, test } from "node:test";

import fc from "fast-check";

import { encodeRun, replCall, ReplReader, type ReplAnswer } from "./deno-repl.ts";
import { FrameError } from "./frame.ts";
import { limits } from "./limits.ts";

function encode(value: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(value));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return Buffer.concat([length, json]);
}

suite("the REPL's protocol", () => {
  test("answers are found wherever the bytes are cut", () => {
    const answers: ReplAnswer[] = [
      { type: "RunSuccess", output: "naïve ✓" },
      { type: "RunFailure" },
      { type: "Error", error: "SyntaxError: no" },
      { type: "RunSuccess" },
    ];
    const bytes = Buffer.concat(answers.map(encode));
    fc.assert(
      fc.property(fc.array(fc.nat({ max: bytes.length }), { maxLength: 10 }), (cuts) => {
        const reader = new ReplReader();
        const found: ReplAnswer[] = [];
        const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
        for (const [at, place] of places.entries()) {
          found.push(...reader.push(bytes.subarray(places[at - 1] ?? 0, place)));
        }
        assert.deepEqual(found, answers);
      }),
    );
  });

  test("what is too long or makes no sense is refused", () => {
    const tooLong = Buffer.alloc(4);
    tooLong.writeUInt32LE(limits.replAnswerBytesMax + 1);
    for (const bytes of [
      tooLong,
      encode({ type: "What" }),
      encode(7),
      Buffer.from([1, 0, 0, 0, 1]),
    ]) {
      assert.throws(() => [...new ReplReader().push(bytes)], FrameError);
    }
  });

  test("a message is what Deno reads", () => {
    const message = Buffer.from(encodeRun("1 + 1", true));
    assert.equal(message.readUInt32LE(), message.length - 4);
    assert.deepEqual(JSON.parse(message.subarray(4).toString()), {
      type: "Run",
      code: "1 + 1",
      output: true,
    });
  });

  test("arguments of a call are text of the program's language", () => {
    assert.equal(
      replCall("answer", 'a"b', { c: 1 }),
      'globalThis[Symbol.for("skerry.repl")].answer("a\\"b", {"c":1})',
    );
  });
});
