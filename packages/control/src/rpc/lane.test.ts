import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { Lane, untilAborted } from "./lane.ts";

const never = new AbortController().signal;

suite("a lane", () => {
  test("lets one in at a time, in order, whoever gives up before", async () => {
    const lane = new Lane();
    const order: number[] = [];
    const impatient = new AbortController();
    const first = await lane.enter(never);
    const visits = [1, 2, 3].map(async (number) => {
      const signal = number === 2 ? impatient.signal : never;
      using _turn = await lane.enter(signal);
      order.push(number);
    });
    impatient.abort(new Error("enough"));
    await assert.rejects(visits[1] ?? Promise.resolve(), /enough/);
    first[Symbol.dispose]();
    await Promise.all([visits[0], visits[2]]);
    assert.deepEqual(order, [1, 3]);
  });
});

suite("what is waited for until it is aborted", () => {
  test("is its own outcome, or the reason", async () => {
    const controller = new AbortController();
    assert.equal(await untilAborted(Promise.resolve(1), controller.signal), 1);
    await assert.rejects(untilAborted(Promise.reject(new Error("no")), controller.signal), /no/);
    const waiting = untilAborted(new Promise(() => {}), controller.signal);
    controller.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/);
    await assert.rejects(untilAborted(Promise.resolve(1), controller.signal), /enough/);
  });
});
