import assert from "node:assert/strict";
import { test } from "node:test";

import { limits } from "@skerry/protocol";

import { FakeClock } from "../testing/fake-clock.ts";
import { RequestLog } from "./request-log.ts";

test("a flood of requests is told of in part, and the next that is told says of how many it is the first", () => {
  const told: Readonly<Record<string, unknown>>[] = [];
  const clock = new FakeClock();
  const log = new RequestLog({ record: (_kind, detail) => void told.push(detail) }, clock);
  const request = { name: "n", method: "GET", path: "/", status: 200, durationMs: 1 };
  for (let i = 0; i < limits.ingressEventsPerMinuteMax + 7; i++) log.finished(request);
  assert.equal(told.length, limits.ingressEventsPerMinuteMax);
  clock.advance(60_000);
  log.finished(request);
  log.finished(request);
  assert.deepEqual(told.slice(-2), [{ ...request, untold: 7 }, request]);
});
