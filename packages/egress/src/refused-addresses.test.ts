import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { refusedAddresses } from "./refused-addresses.ts";

const isRefused = refusedAddresses(["10.0.0.5:8443", "10.0.0.5:22"], () => ["203.0.113.9"]);

suite("addresses that no machine reaches", () => {
  for (const [address, port, expected] of [
    ["10.0.0.4", 443, true],
    ["169.254.169.254", 80, true],
    ["::1", 80, true],
    ["203.0.113.9", 443, true],
    ["203.0.113.8", 443, false],
    ["10.0.0.5", 443, true],
    ["10.0.0.5", 8443, false],
    ["10.0.0.5", 22, false],
    ["10.0.0.5", null, false],
    ["10.0.0.4", null, true],
  ] as const) {
    test(`${address} on ${port ?? "any port"} ${expected ? "is one" : "is none"}`, () => {
      assert.equal(isRefused(address, port), expected);
    });
  }
});
