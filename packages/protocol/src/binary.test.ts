import assert from "node:assert/strict";
import { suite, test } from "node:test";

import fc from "fast-check";

import {
  decodeBinary,
  encodeStreamCredit,
  encodeStreamData,
  StreamAllowance,
  StreamCredit,
} from "./binary.ts";
import { FrameError } from "./frame.ts";
import { limits } from "./limits.ts";

const id = fc.maxSafeNat();

suite("binary messages", () => {
  test("are read as they were written", () => {
    fc.assert(
      fc.property(id, fc.uint8Array({ minLength: 1, maxLength: 300 }), (streamId, bytes) => {
        const told = decodeBinary(encodeStreamData(streamId, bytes));
        assert.deepEqual(told, { kind: "data", streamId, bytes: new Uint8Array(bytes) });
      }),
    );
    fc.assert(
      fc.property(id, fc.integer({ min: 1, max: 0xffff_ffff }), (streamId, credit) => {
        const told = decodeBinary(encodeStreamCredit(streamId, credit));
        assert.deepEqual(told, { kind: "credit", streamId, credit });
      }),
    );
  });

  test("whatever comes is a message or a FrameError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          decodeBinary(new Uint8Array(bytes));
        } catch (error) {
          assert.ok(error instanceof FrameError);
        }
      }),
    );
    const tooLong = new Uint8Array(limits.binaryChunkBytesMax + 10);
    tooLong[0] = 1;
    for (const bytes of [
      tooLong,
      encodeStreamCredit(1, 0),
      new Uint8Array(9),
      Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0, 1),
    ]) {
      assert.throws(() => decodeBinary(bytes), FrameError);
    }
  });
});

suite("credit", () => {
  test("a sender and a receiver that keep to it never stop and never break it", async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: limits.binaryChunkBytesMax }), {
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(sizes, async (chunks) => {
        const [credit, allowance] = [new StreamCredit(), new StreamAllowance()];
        const onTheWay: number[] = [];
        const send = async (): Promise<void> => {
          for (const bytes of chunks) {
            await credit.take(bytes);
            onTheWay.push(bytes);
          }
        };
        const sending = send();
        for (let received = 0; received < chunks.length;) {
          await Promise.resolve();
          const bytes = onTheWay.shift();
          if (bytes === undefined) continue;
          allowance.arrived(bytes);
          const granted = allowance.taken(bytes);
          if (granted > 0) credit.grant(granted);
          received += 1;
        }
        await sending;
      }),
      { numRuns: 50 },
    );
  });

  test("more than was promised is a violation", () => {
    const allowance = new StreamAllowance();
    allowance.arrived(limits.streamWindowBytes);
    assert.throws(() => allowance.arrived(1), FrameError);
  });
});
