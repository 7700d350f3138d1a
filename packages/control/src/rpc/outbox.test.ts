import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { limits } from "@skerry/protocol";

import { Outbox, type OutgoingSocket } from "./outbox.ts";

/** A socket whose messages leave when the test says so. */
class SlowSocket implements OutgoingSocket {
  readonly sent: (string | Buffer)[] = [];
  readonly #callbacks: ((error?: Error) => void)[] = [];
  bufferedAmount = 0;

  send(
    message: string | Buffer,
    _options: { readonly binary: boolean },
    sent: (error?: Error) => void,
  ): void {
    this.sent.push(message);
    this.#callbacks.push(sent);
    this.bufferedAmount += message.length;
  }

  flush(count = this.#callbacks.length, error?: Error): void {
    for (const callback of this.#callbacks.splice(0, count)) callback(error);
  }
}

function open() {
  const socket = new SlowSocket();
  const seen = { overflows: 0, taken: 0 };
  const outbox = new Outbox(socket, {
    onOverflow: () => void seen.overflows++,
    onTaken: () => void seen.taken++,
  });
  return { socket, seen, outbox };
}

/** Which of these promises have settled. */
async function settled(promises: readonly Promise<void>[]): Promise<boolean[]> {
  const states = promises.map(() => false);
  for (const [at, promise] of promises.entries()) void promise.then(() => (states[at] = true));
  await new Promise(setImmediate);
  return states;
}

suite("an outbox", () => {
  test("grants room in the order in which it was asked for, as messages leave", async () => {
    const { socket, outbox } = open();
    const bytes = limits.clientBacklogBytesMax;
    const grants = [1, 2, 3].map(() => outbox.reserve(bytes));
    assert.deepEqual(await settled(grants), [true, false, false]);
    outbox.sendReserved(Buffer.alloc(1), bytes, false);
    assert.deepEqual(await settled(grants), [true, false, false]);
    socket.flush();
    assert.deepEqual(await settled(grants), [true, true, false]);
    outbox.giveBack(bytes);
    assert.deepEqual(await settled(grants), [true, true, true]);
  });

  test("does not let one overtake those who wait", async () => {
    const { socket, outbox } = open();
    await outbox.reserve(limits.clientBacklogBytesMax);
    const waiting = outbox.reserve(limits.clientBacklogBytesMax);
    outbox.sendReserved(Buffer.alloc(1), limits.clientBacklogBytesMax, false);
    socket.flush();
    await waiting;
    assert.deepEqual(await settled([outbox.reserve(1)]), [false]);
  });

  test("tells when an answer has left", async () => {
    const { socket, outbox } = open();
    const answer = outbox.answer("{}");
    assert.deepEqual(await settled([answer]), [false]);
    socket.flush();
    await answer;
  });

  test("calls a client that takes no notifications to account", () => {
    const { seen, socket, outbox } = open();
    const text = "x".repeat(65_536);
    for (let sent = 0; sent <= limits.clientControlBytesMax; sent += text.length) outbox.send(text);
    assert.equal(seen.overflows, 0);
    outbox.send(text);
    assert.equal(seen.overflows, 1);
    assert.equal(socket.sent.length, limits.clientControlBytesMax / text.length + 1);
  });

  test("notices that a slow client reads, and that a closed socket does not", () => {
    const { seen, socket, outbox } = open();
    outbox.send("one");
    socket.flush();
    assert.equal(seen.taken, 1);
    outbox.send("two");
    socket.flush(1, new Error("closed"));
    assert.equal(seen.taken, 1);
  });

  test("wakes all who wait when its socket is gone", async () => {
    const { socket, outbox } = open();
    await outbox.reserve(limits.clientBacklogBytesMax);
    const waiting = [1, 2].map(() => outbox.reserve(1));
    outbox.sendReserved(Buffer.alloc(1), limits.clientBacklogBytesMax, false);
    socket.flush(1, new Error("closed"));
    assert.deepEqual(await settled(waiting), [true, true]);
  });
});
