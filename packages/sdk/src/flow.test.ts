import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { Flow, unreadBytesMax } from "./flow.ts";

function counted(): { readonly flow: Flow; readonly log: string[] } {
  const log: string[] = [];
  const flow = new Flow({ pause: () => log.push("pause"), resume: () => log.push("resume") });
  return { flow, log };
}

suite("Flow", () => {
  test("stops reading when much is unread, and goes on when it is taken", () => {
    const { flow, log } = counted();
    flow.addUnread(unreadBytesMax);
    assert.deepEqual(log, []);
    flow.addUnread(1);
    flow.addUnread(1);
    assert.deepEqual(log, ["pause"]);
    flow.addUnread(-2);
    assert.deepEqual(log, ["pause", "resume"]);
  });

  test("reads on while somebody waits for an answer", () => {
    const { flow, log } = counted();
    const done = flow.wait();
    flow.addUnread(2 * unreadBytesMax);
    assert.deepEqual(log, []);
    done();
    assert.deepEqual(log, ["pause"]);
    const doneAgain = flow.wait();
    assert.deepEqual(log, ["pause", "resume"]);
    doneAgain();
    assert.equal(flow.isPaused, true);
  });

  test("never stops once the connection is ending", () => {
    const { flow, log } = counted();
    flow.addUnread(2 * unreadBytesMax);
    flow.release();
    flow.addUnread(unreadBytesMax);
    assert.deepEqual(log, ["pause", "resume"]);
  });
});
