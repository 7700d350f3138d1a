import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { limits, type ByteStream } from "@skerry/protocol";
import fc from "fast-check";

import { Pipe } from "../../testing/pipe.ts";
import { KeptOutput } from "./kept-output.ts";

async function take(source: AsyncIterator<Uint8Array>, bytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for (let have = 0; have < bytes;) {
    const next = await source.next();
    if (next.done === true) break;
    chunks.push(next.value);
    have += next.value.length;
  }
  return Buffer.concat(chunks);
}

const readerOf = (source: ByteStream): AsyncIterator<Uint8Array> => source[Symbol.asyncIterator]();

suite("output that is kept", () => {
  test("is read on by the next reader, without loss or repetition", async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1, maxLength: 12 });
    const reads = fc.array(fc.nat(300_000), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(sizes, reads, async (written, turns) => {
        const pipe = new Pipe();
        const output = new KeptOutput(pipe, () => {});
        const all = Buffer.concat(written.map((size, i) => Buffer.alloc(size, i + 1)));
        const writing = (async () => {
          let at = 0;
          for (const size of written) await pipe.write(all.subarray(at, (at += size)));
          pipe.end();
        })();
        const got: Buffer[] = [];
        let taken = 0;
        for (let turn = 0; taken < all.length; turn++) {
          // What a reader has beyond what it says it has taken is lost with its socket.
          const wanted = Math.min((turns[turn] ?? 300_000) + 1, all.length - taken);
          const arrived = await take(readerOf(output.read(taken)), wanted);
          const kept = arrived.subarray(0, wanted);
          output.taken(kept.length);
          taken += kept.length;
          got.push(kept);
        }
        await writing;
        assert.ok(Buffer.concat(got).equals(all));
        await turn();
        assert.ok(output.isDone);
      }),
      { numRuns: 60 },
    );
  });

  test("makes the process wait when nobody takes it", async () => {
    const pipe = new Pipe();
    const output = new KeptOutput(pipe, () => {});
    const chunk = Buffer.alloc(65_536, 7);
    let written = 0;
    const writing = (async () => {
      for (; written < 4 * limits.keptOutputBytesMax; written += chunk.length)
        await pipe.write(chunk);
      pipe.end();
    })();
    for (let i = 0; i < 200; i++) await turn();
    assert.ok(written <= 2 * limits.keptOutputBytesMax, `${written} bytes`);
    output.letGo();
    await writing;
    await turn();
    assert.ok(output.isDone);
  });

  test("ends a reader with an error when another comes", async () => {
    const output = new KeptOutput(new Pipe(), () => {});
    const first = readerOf(output.read(0)).next();
    output.read(0);
    await assert.rejects(first, /Another connection/);
  });

  test("is lost when bytes that were taken are asked for, or such as were never written", async () => {
    const pipe = new Pipe();
    const output = new KeptOutput(pipe, () => {});
    await pipe.write(Buffer.from("abcdef"));
    await turn();
    output.taken(3);
    assert.equal((await take(readerOf(output.read(4)), 2)).toString(), "ef");
    assert.throws(() => output.read(2), /not kept/);
    assert.throws(() => output.read(7), /not kept/);
  });

  test("fails as its source does, after what came before", async () => {
    const pipe = new Pipe();
    const output = new KeptOutput(pipe, () => {});
    await pipe.write(Buffer.from("half"));
    pipe.end(new Error("the machine is gone"));
    const reader = readerOf(output.read(0));
    assert.equal((await take(reader, 4)).toString(), "half");
    await assert.rejects(reader.next(), /the machine is gone/);
  });
});
