import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { Gate } from "./gate.ts";

const never = new AbortController().signal;

suite("Gate", () => {
  test("lets as many in as it is wide", async () => {
    const gate = new Gate(2);
    const places = [await gate.enter("urgent", never), await gate.enter("urgent", never)];
    let third = false;
    const waiting = gate.enter("urgent", never).then((place) => {
      third = true;
      return place;
    });
    await new Promise(setImmediate);
    assert.equal(third, false);
    places[0]?.[Symbol.dispose]();
    (await waiting)[Symbol.dispose]();
  });

  test("lets whoever is waited for go before background work", async () => {
    const gate = new Gate(1);
    const order: string[] = [];
    const first = await gate.enter("urgent", never);
    const enter = async (kind: "urgent" | "background"): Promise<void> => {
      using _place = await gate.enter(kind, never);
      order.push(kind);
    };
    const all = [enter("background"), enter("urgent")];
    first[Symbol.dispose]();
    await Promise.all(all);
    assert.deepEqual(order, ["urgent", "background"]);
  });

  test("forgets a waiter that gives up, and hands its place to the next", async () => {
    const gate = new Gate(1);
    const first = await gate.enter("urgent", never);
    const abort = new AbortController();
    const second = gate.enter("urgent", abort.signal);
    const third = gate.enter("urgent", never);
    abort.abort(new Error("enough"));
    await assert.rejects(second, /enough/);
    first[Symbol.dispose]();
    (await third)[Symbol.dispose]();
  });
});
