import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { limits } from "@skerry/protocol";

import { FakeClock } from "../testing/fake-clock.ts";
import { Calls } from "./calls.ts";
import { Intake } from "./intake.ts";

const most = limits.clientRequestBytesMax;

function open() {
  const clock = new FakeClock();
  const socket = { isPaused: false, pause: () => {}, resume: () => {} };
  socket.pause = () => void (socket.isPaused = true);
  socket.resume = () => void (socket.isPaused = false);
  const intake = new Intake(socket, clock, limits.inputStuckMs, () => {});
  return { clock, socket, calls: new Calls(intake) };
}

suite("calls with much content", () => {
  test("pause the socket until some of them are finished", () => {
    const { socket, calls } = open();
    const first = calls.begin(1, "writeFile", most);
    assert.ok(!socket.isPaused);
    const second = calls.begin(2, "writeFile", 1_000);
    assert.ok(socket.isPaused);
    calls.end(first);
    assert.ok(!socket.isPaused);
    calls.end(second);
    calls.end(second); // once is enough
  });

  test("that are stuck let small calls through, and refuse more of their kind", () => {
    const { clock, socket, calls } = open();
    const stuck = calls.begin(1, "writeFile", most + 1);
    clock.advance(limits.inputStuckMs);
    assert.ok(!socket.isPaused);
    calls.end(calls.begin(2, "processKill", 100));
    calls.begin(3, "processKill", 100);
    assert.throws(() => calls.begin(4, "writeFile", 1_000_000), /not finished/);
    calls.end(stuck);
    calls.begin(5, "writeFile", 1_000_000);
  });
});

suite("a call", () => {
  test("lets go of what it holds when its answer is sent", () => {
    const { calls } = open();
    const call = calls.begin(1, "readFile", 10);
    let isHeld = true;
    call.held.defer(() => (isHeld = false));
    calls.end(call);
    assert.ok(!isHeld);
  });

  test("is aborted by the name that the client gave it, and no other is", () => {
    const { calls } = open();
    const [one, other] = [calls.begin(1, "readFile", 1), calls.begin(2, "readFile", 1)];
    one.abortId = 7;
    other.abortId = 8;
    calls.abort(7);
    assert.deepEqual([one.signal.aborted, other.signal.aborted], [true, false]);
  });
});
