import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { FakeClock } from "../testing/fake-clock.ts";
import { Heartbeat } from "./heartbeat.ts";

function start() {
  const clock = new FakeClock();
  const seen = { pings: 0, silences: 0 };
  const link = { bytes: 0 };
  const heartbeat = new Heartbeat({
    ...{ clock, silenceMaxMs: 15_000, pingEveryMs: 5_000 },
    received: () => link.bytes,
    ping: () => void seen.pings++,
    onSilent: () => void seen.silences++,
  });
  return { clock, seen, link, heartbeat };
}

suite("a heartbeat", () => {
  test("asks a quiet client for a sign of life, then gives it up, once", () => {
    const { clock, seen } = start();
    clock.advance(14_999);
    assert.deepEqual(seen, { pings: 2, silences: 0 });
    clock.advance(1);
    assert.deepEqual(seen, { pings: 2, silences: 1 });
    clock.advance(60_000);
    assert.deepEqual(seen, { pings: 2, silences: 1 });
  });

  test("leaves a client alone that is heard of", () => {
    const { clock, seen, heartbeat } = start();
    for (let second = 0; second < 120; second += 2) {
      clock.advance(2_000);
      heartbeat.heard();
    }
    assert.equal(seen.silences, 0);
    assert.equal(seen.pings, 0);
  });

  test("counts silence from the last sign of life", () => {
    const { clock, seen, heartbeat } = start();
    clock.advance(14_000);
    heartbeat.heard();
    clock.advance(14_999);
    assert.equal(seen.silences, 0);
    clock.advance(1);
    assert.equal(seen.silences, 1);
  });

  test("takes the parts of a great message for signs of life", () => {
    const { clock, seen, link } = start();
    for (let second = 0; second < 100; second++) {
      link.bytes += 1_000;
      clock.advance(1_000);
    }
    assert.equal(seen.silences, 0);
    clock.advance(20_000);
    assert.equal(seen.silences, 1);
  });

  test("does not count the time in which nobody listened", () => {
    const { clock, seen, heartbeat } = start();
    clock.advance(1_000);
    heartbeat.pause();
    clock.advance(100_000);
    assert.equal(seen.silences, 0);
    heartbeat.resume();
    clock.advance(14_999);
    assert.equal(seen.silences, 0);
    clock.advance(5_000);
    assert.equal(seen.silences, 1);
  });

  test("does not count the time in which the process stood still", () => {
    const { clock, seen } = start();
    clock.jump(60_000);
    clock.advance(0); // the timer fires a minute late
    assert.equal(seen.silences, 0);
    clock.advance(14_999);
    assert.equal(seen.silences, 1);
  });

  test("is over when it is disposed of", () => {
    const { clock, seen, heartbeat } = start();
    heartbeat[Symbol.dispose]();
    clock.advance(100_000);
    assert.deepEqual(seen, { pings: 0, silences: 0 });
  });
});
