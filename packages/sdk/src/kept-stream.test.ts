import assert from "node:assert/strict";
import { suite, test } from "node:test";

import fc from "fast-check";

import { ConnectionError, OperationError } from "./errors.ts";
import { keptStream } from "./kept-stream.ts";

const dropped = new ConnectionError("CONNECTION_CLOSED", "dropped");

/** What comes of `all` from `from` on until the connection drops; whole, when it does not. */
function source(
  all: Uint8Array<ArrayBuffer>,
  from: number,
  until: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = from;
  return new ReadableStream({
    pull: (controller) => {
      if (at === all.length) return controller.close();
      if (at >= until) return controller.error(dropped);
      const end = Math.min(at + 7, until, all.length);
      controller.enqueue(all.slice(at, end));
      at = end;
    },
  });
}

async function bytesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

suite("keptStream", () => {
  test("gives every byte once, wherever connections drop", async () => {
    const content = fc.uint8Array({ maxLength: 300 }).map((bytes) => new Uint8Array(bytes));
    const lengths = fc.array(fc.nat(60), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(content, lengths, async (all, drops) => {
        const left = [...drops];
        const connect = (from: number): ReturnType<typeof source> =>
          source(all, from, from + (left.shift() ?? all.length));
        const stream = keptStream(connect(0), async (from) => connect(from));
        assert.deepEqual(await bytesOf(stream), new Uint8Array(all));
      }),
    );
  });

  test("fails when what is left is lost, or there is no way back", async () => {
    const all = new Uint8Array(10);
    for (const reason of [dropped, new OperationError("Error", "lost", "OUTPUT_LOST")]) {
      const stream = keptStream(source(all, 0, 5), () => Promise.reject(reason));
      await assert.rejects(bytesOf(stream), reason);
    }
  });

  test("fails as the process' own stream does", async () => {
    const reason = new OperationError("Error", "the machine is gone", "GONE");
    const failing = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => controller.error(reason),
    });
    const never = (): never => assert.fail("nothing to rejoin");
    await assert.rejects(bytesOf(keptStream(failing, never)), reason);
  });

  test("hands a cancel on", async () => {
    const cancelled = Promise.withResolvers<unknown>();
    const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({ cancel: cancelled.resolve });
    await keptStream(endless, async () => null).cancel("enough");
    assert.equal(await cancelled.promise, "enough");
  });
});
