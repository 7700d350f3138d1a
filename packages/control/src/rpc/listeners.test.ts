import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { limits, type GuestListener } from "@skerry/protocol";

import { Listeners } from "./listeners.ts";

interface Opened extends GuestListener {
  isClosed: boolean;
}

function listener(port: number): Opened {
  const opened: Opened = {
    ...{ port, isClosed: false, accept: () => Promise.reject(new Error("closed")) },
    close: () => void (opened.isClosed = true),
  };
  return opened;
}

suite("sockets on which a client listens", () => {
  test("are known by their id until the client closes them", async () => {
    const listeners = new Listeners();
    const opened = listener(7001);
    const { listenerId, port } = await listeners.add(async () => opened);
    assert.equal(port, 7001);
    assert.equal(listeners.get(listenerId), opened);
    listeners.close(listenerId);
    assert.ok(opened.isClosed);
    assert.throws(() => listeners.get(listenerId), /not open/);
    assert.throws(() => listeners.close(listenerId), /not open/);
  });

  test("are so many, counted with those that are being opened", async () => {
    const listeners = new Listeners();
    const { promise, resolve } = Promise.withResolvers<GuestListener>();
    const opening = Array.from({ length: limits.listenersMax }, () => listeners.add(() => promise));
    await assert.rejects(
      listeners.add(async () => listener(1)),
      /More than 32 listening sockets/,
    );
    resolve(listener(2));
    await Promise.all(opening);
  });

  test("leave room when they cannot be opened", async () => {
    const listeners = new Listeners();
    for (let n = 0; n <= limits.listenersMax; n += 1) {
      await assert.rejects(
        listeners.add(() => Promise.reject(new Error("in use"))),
        /in use/,
      );
    }
    await listeners.add(async () => listener(3));
  });

  test("close with the client, those too that are there only after it has gone", async () => {
    const listeners = new Listeners();
    const [early, late] = [listener(4), listener(5)];
    await listeners.add(async () => early);
    const { promise, resolve } = Promise.withResolvers<GuestListener>();
    const adding = listeners.add(() => promise);
    listeners.closeAll();
    resolve(late);
    await adding;
    assert.deepEqual([early.isClosed, late.isClosed], [true, true]);
  });
});
