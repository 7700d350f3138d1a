import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { machineOf } from "./machine-address.ts";

suite("machineOf()", () => {
  test("is the inverse of what native/netns gives to machines, and nothing for other addresses", () => {
    assert.equal(machineOf("100.100.0.6"), 1);
    assert.equal(machineOf("100.100.0.10"), 2);
    assert.equal(machineOf("100.100.255.254"), 16_383);
    for (const other of [
      "100.100.0.2",
      "100.100.0.5",
      "100.100.0.7",
      "100.101.0.6",
      "10.0.0.1",
      "::1",
    ]) {
      assert.equal(machineOf(other), null, other);
    }
    assert.equal(machineOf(undefined), null);
  });
});
