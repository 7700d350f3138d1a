import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { parseDuration, parseLifetime } from "./durations.ts";
import { InvalidOptionError } from "./errors.ts";
import { parseMemorySize } from "./memory-size.ts";

suite("durations", () => {
  for (const [text, ms] of [
    ["30s", 30_000],
    ["5m", 300_000],
    ["90s", 90_000],
    ["2h", 7_200_000],
    ["1.5m", 90_000],
  ] as const) {
    test(`${text} is ${ms} ms`, () => assert.equal(parseDuration(text), ms));
  }

  for (const text of [
    "",
    "s",
    "5",
    "5d",
    "-5s",
    "5 s",
    "0s",
    "0.0001s",
    "1e3s",
    "session",
    "9".repeat(30) + "h",
  ]) {
    test(`${JSON.stringify(text)} is no duration`, () => {
      assert.throws(() => parseDuration(text), InvalidOptionError);
    });
  }

  test("a session has no length", () => assert.equal(parseLifetime("session"), undefined));
});

suite("memory sizes", () => {
  for (const [size, mib] of [
    [1_342_177_280, 1280],
    ["1GiB", 1024],
    ["1280MiB", 1280],
    ["1.5GiB", 1536],
    ["1GB", 953],
    ["2048kB", 1],
    [1_342_177_281, 1280],
  ] as const) {
    test(`${size} is ${mib} MiB`, () => assert.equal(parseMemorySize(size), mib));
  }

  for (const size of ["", "1", "1gib", "1TB", "-1GiB", "GiB", -5, Number.NaN, 0, Infinity]) {
    test(`${JSON.stringify(size)} is no memory size`, () => {
      assert.throws(() => parseMemorySize(size), InvalidOptionError);
    });
  }
});
