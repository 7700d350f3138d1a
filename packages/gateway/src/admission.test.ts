import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { limits } from "@skerry/protocol";

import { Admission } from "./admission.ts";
import { Failures } from "./failures.ts";
import { Places } from "./places.ts";

suite("places", () => {
  test("are so many for each, and come back once", () => {
    const places = new Places(2);
    const [first, second] = [places.take("a"), places.take("a")];
    assert.ok(first !== null && second !== null);
    assert.equal(places.take("a"), null);
    assert.ok(places.take("b"));
    for (let n = 0; n < 3; n += 1) first[Symbol.dispose]();
    assert.ok(places.take("a"));
    assert.equal(places.take("a"), null);
  });

  test("of a sandbox are not lost to a user who has none left", () => {
    const admission = new Admission();
    const enter = (sandboxId: string, user: string | null) =>
      admission.enter({ sandboxId, user, ticket: "" });
    for (let n = 0; n < limits.sshConnectionsPerUserMax; n += 1) assert.ok(enter(`s${n}`, "u"));
    for (let n = 0; n < 2 * limits.sshConnectionsPerSandboxMax; n += 1) {
      assert.equal(enter("one", "u"), null);
    }
    for (let n = 0; n < limits.sshConnectionsPerSandboxMax; n += 1) assert.ok(enter("one", null));
    assert.equal(enter("one", null), null);
  });
});

suite("failures", () => {
  test("are answered at once at first, then later and later, up to the most", () => {
    const failures = new Failures(() => 0);
    const delays = Array.from({ length: limits.sshFailuresFree + 40 }, () => failures.note("a"));
    assert.deepEqual(new Set(delays.slice(0, limits.sshFailuresFree)), new Set([0]));
    assert.deepEqual(delays.slice(limits.sshFailuresFree, limits.sshFailuresFree + 3), [
      limits.sshFailureDelayMs,
      2 * limits.sshFailureDelayMs,
      4 * limits.sshFailureDelayMs,
    ]);
    assert.equal(delays.at(-1), limits.sshFailureDelayMaxMs);
    assert.equal(failures.note("b"), 0, "of another address");
  });

  test("are forgotten after a time, and so many addresses are remembered", () => {
    let nowMs = 0;
    const failures = new Failures(() => nowMs);
    for (let n = 0; n <= limits.sshFailuresFree; n += 1) failures.note("a");
    nowMs = limits.sshFailuresKeptMs;
    assert.equal(failures.note("a"), 0);
    for (let n = 0; n < 10_000; n += 1) failures.note(`address ${n}`);
    assert.equal(failures.size, limits.sshFailuresMax);
  });
});
