import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";

import fc from "fast-check";

import { encodeFrame, type Frame, FrameError, FrameReader, type StreamNumber } from "./frame.ts";

interface Vectors {
  readonly valid: readonly {
    readonly name: string;
    readonly hex: string;
    readonly frame: {
      readonly kind: Frame["kind"];
      readonly channel: number;
      readonly stream?: StreamNumber;
      readonly credit?: number;
      readonly bytesHex?: string;
      readonly json?: string;
    };
  }[];
  readonly invalid: readonly { readonly name: string; readonly hex: string }[];
}

const vectors = JSON.parse(
  readFileSync(new URL("../vectors/guest-frames.json", import.meta.url), "utf8"),
) as Vectors;

suite("guest frames", () => {
  for (const { name, hex, frame } of vectors.valid) {
    test(`${name} is read from and written to its golden bytes`, () => {
      const bytes = Buffer.from(hex, "hex");
      const [read, ...more] = new FrameReader().push(bytes);
      assert.ok(read !== undefined && more.length === 0);
      assert.deepEqual(describe(read), frame);
      assert.equal(encodeFrame(read).toString("hex"), hex);
    });
  }

  for (const { name, hex } of vectors.invalid) {
    test(`${name} is refused`, () => {
      assert.throws(() => new FrameReader().push(Buffer.from(hex, "hex")), FrameError);
    });
  }

  test("frames are the same however the bytes are cut", () => {
    const all = Buffer.concat(vectors.valid.map(({ hex }) => Buffer.from(hex, "hex")));
    fc.assert(
      fc.property(fc.array(fc.nat(all.length), { maxLength: 12 }), (cuts) => {
        const reader = new FrameReader();
        const edges = [0, ...cuts.toSorted((a, b) => a - b), all.length];
        const frames = edges.slice(1).flatMap((end, i) => reader.push(all.subarray(edges[i], end)));
        assert.deepEqual(
          frames.map((frame) => describe(frame)),
          vectors.valid.map(({ frame }) => frame),
        );
        assert.ok(reader.isAtBoundary);
      }),
    );
  });

  test("whatever arrives ends in frames or a FrameError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          new FrameReader().push(Buffer.from(bytes));
        } catch (error) {
          assert.ok(error instanceof FrameError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

function describe(frame: Frame): object {
  const { kind, channel } = frame;
  return {
    kind,
    channel,
    ...("stream" in frame && { stream: frame.stream }),
    ...("credit" in frame && { credit: frame.credit }),
    ...("bytes" in frame && { bytesHex: Buffer.from(frame.bytes).toString("hex") }),
    ...("json" in frame && { json: Buffer.from(frame.json).toString() }),
  };
}
