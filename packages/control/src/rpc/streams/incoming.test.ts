import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { limits, thrown, type ThrownError } from "@skerry/protocol";
import fc from "fast-check";

import { FakeClock } from "../../testing/fake-clock.ts";
import { Intake } from "../intake.ts";
import type { IncomingStream } from "./incoming-stream.ts";
import { IncomingStreams } from "./incoming.ts";

const MiB = 1_048_576;

/** Streams over a socket that only remembers whether it is paused. */
function open() {
  const clock = new FakeClock();
  const socket = { isPaused: false, pause: () => {}, resume: () => {} };
  socket.pause = () => void (socket.isPaused = true);
  socket.resume = () => void (socket.isPaused = false);
  const pauses: boolean[] = [];
  const intake = new Intake(socket, clock, limits.inputStuckMs, (isPaused) =>
    pauses.push(isPaused),
  );
  const cancelled = new Map<number, ThrownError>();
  const streams = new IncomingStreams(intake, (id, reason) => cancelled.set(id, reason));
  return { clock, socket, pauses, cancelled, streams };
}

const reason = thrown("Error", "done with it", null);

async function readAll(stream: IncomingStream): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream.read()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

suite("streams of a client", () => {
  test("arrive whole, whenever their reader comes", async () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(fc.array(bytes, { maxLength: 8 }), fc.nat(10), async (chunks, claimAt) => {
        const { streams } = open();
        let read: Promise<Buffer> | null = null;
        streams.start(0);
        for (const [index, chunk] of chunks.entries()) {
          if (index === claimAt) read = readAll(streams.claim(0));
          streams.enqueue(0, chunk);
          await Promise.resolve();
        }
        streams.end(0);
        read ??= readAll(streams.claim(0));
        assert.deepEqual(await read, Buffer.concat(chunks));
      }),
      { numRuns: 200 },
    );
  });

  test("come to the guest in pieces that it takes at once", async () => {
    const { streams } = open();
    streams.start(0);
    streams.enqueue(0, Buffer.alloc(200_000, 7));
    streams.end(0);
    const sizes: number[] = [];
    for await (const piece of streams.claim(0).read()) sizes.push(piece.length);
    assert.deepEqual(sizes, [65_536, 65_536, 65_536, 3_392]);
  });

  test("may be named before they begin", async () => {
    const { streams } = open();
    const stream = streams.claim(5);
    streams.start(5);
    streams.enqueue(5, Buffer.from("late"));
    streams.end(5);
    assert.equal((await readAll(stream)).toString(), "late");
  });

  test("have one reader", () => {
    const { streams } = open();
    streams.claim(1);
    assert.throws(() => streams.claim(1), { message: "Invalid params" });
  });

  test("end with the client's error when it fails them", async () => {
    const { streams } = open();
    streams.start(0);
    streams.enqueue(0, Buffer.from("half"));
    const stream = streams.claim(0);
    streams.fail(0, thrown("TypeError", "my source broke", null));
    assert.equal((await readAll(stream)).length, 0);
    assert.equal(stream.failure?.message, "my source broke");
  });

  test("fail when the client goes away, and those named later too", async () => {
    const { streams } = open();
    const before = streams.claim(0);
    streams.closeAll();
    await readAll(before);
    const after = streams.claim(1);
    await readAll(after);
    assert.equal(before.failure?.code, "ECONNRESET");
    assert.equal(after.failure?.code, "ECONNRESET");
  });

  test("that are released early are cancelled at the client, those that ended are not", () => {
    const { streams, cancelled } = open();
    const early = streams.claim(0);
    streams.release(early, reason);
    const whole = streams.claim(1);
    streams.end(1);
    streams.release(whole, reason);
    assert.deepEqual([...cancelled.keys()], [0]);
  });

  test("that are retired are cancelled with the next bytes, and not without", () => {
    const { streams, cancelled } = open();
    for (const id of [0, 1]) streams.retire(streams.claim(id), reason);
    assert.equal(cancelled.size, 0);
    streams.end(0);
    streams.enqueue(0, Buffer.from("x"));
    streams.enqueue(1, Buffer.from("x"));
    streams.enqueue(1, Buffer.from("x"));
    assert.deepEqual([...cancelled.keys()], [1]);
  });

  test("that are too many are refused", () => {
    const { streams, cancelled } = open();
    for (let id = 0; id <= limits.clientStreamsMax; id++) streams.start(id);
    assert.deepEqual([...cancelled.keys()], [limits.clientStreamsMax]);
    assert.throws(() => streams.claim(limits.clientStreamsMax), /open streams/);
  });
});

suite("a stream whose reader is slow", () => {
  test("pauses the socket until the reader has caught up", async () => {
    const { streams, socket, pauses } = open();
    const stream = streams.claim(0);
    streams.enqueue(0, Buffer.alloc(2 * MiB));
    assert.ok(socket.isPaused);
    const reader = stream.read();
    for (let read = 0; read < MiB; read += 65_536) {
      assert.ok(socket.isPaused);
      await reader.next();
    }
    assert.ok(!socket.isPaused);
    assert.deepEqual(pauses, [true, false]);
  });

  test("pauses nothing before it has a reader: the call that names it may come next", () => {
    const { streams, socket } = open();
    streams.start(0);
    streams.enqueue(0, Buffer.alloc(2 * MiB));
    assert.ok(!socket.isPaused);
    streams.claim(0);
    assert.ok(socket.isPaused);
  });

  test("keeps the socket paused as long as it makes progress", async () => {
    const { streams, socket, clock } = open();
    const reader = streams.claim(0).read();
    streams.enqueue(0, Buffer.alloc(3 * MiB));
    for (let round = 0; round < 10; round++) {
      clock.advance(limits.inputStuckMs - 1);
      await reader.next();
      assert.ok(socket.isPaused);
    }
  });

  test("lets the socket go when it is stuck, so that what follows gets through", async () => {
    const { streams, socket, clock, cancelled } = open();
    const stream = streams.claim(0);
    streams.enqueue(0, Buffer.alloc(2 * MiB));
    clock.advance(limits.inputStuckMs);
    assert.ok(!socket.isPaused);
    streams.enqueue(0, Buffer.alloc(2 * MiB));
    assert.ok(!socket.isPaused);
    assert.equal(cancelled.size, 0);
    await stream.read().next(); // it moves again
    streams.enqueue(0, Buffer.alloc(1));
    assert.ok(socket.isPaused);
  });

  test("is cancelled when it is stuck and has grown too great", async () => {
    const { streams, clock, cancelled, socket } = open();
    const stream = streams.claim(0);
    streams.enqueue(0, Buffer.alloc(2 * MiB));
    clock.advance(limits.inputStuckMs);
    const chunk = Buffer.alloc(MiB);
    for (let sent = 0; sent < 40; sent++) streams.enqueue(0, chunk);
    assert.ok(cancelled.has(0));
    assert.equal(stream.bytes, 0);
    assert.equal(stream.failure?.code, "ENOBUFS");
    assert.ok(!socket.isPaused);
    assert.equal((await readAll(stream)).length, 0);
  });

  test("that nobody ever names is cancelled as well", () => {
    const { streams, cancelled } = open();
    streams.start(0);
    for (let sent = 0; sent < 40; sent++) streams.enqueue(0, Buffer.alloc(MiB));
    assert.ok(cancelled.has(0));
    assert.equal(streams.claim(0).failure?.code, "ENOBUFS");
  });

  test("takes one message of any size", async () => {
    const { streams, cancelled } = open();
    streams.start(0);
    streams.enqueue(0, Buffer.alloc(70 * MiB));
    streams.end(0);
    assert.equal((await readAll(streams.claim(0))).length, 70 * MiB);
    assert.equal(cancelled.size, 0);
  });

  test("is not alone: all that wait together have a limit, and the greatest goes first", () => {
    const { streams, cancelled } = open();
    for (let id = 0; id < 10; id++) streams.start(id);
    for (let id = 0; id < 10; id++) {
      for (let sent = 0; sent < (id === 3 ? 16 : 10); sent++)
        streams.enqueue(id, Buffer.alloc(MiB));
    }
    assert.ok(cancelled.has(3));
    assert.ok(cancelled.size < 5);
  });
});
