import assert from "node:assert/strict";
import { test } from "node:test";

import { isAtLeast, parseRustVersion, type RustVersion } from "./rust.ts";

test("parseRustVersion() reads what rustc prints", () => {
  const printed: readonly (readonly [string, RustVersion | null])[] = [
    ["rustc 1.95.0 (59807616e 2026-04-14)", [1, 95]],
    ["rustc 1.63.0", [1, 63]],
    ["rustc 1.97.0-nightly (abc 2026-05-01)", [1, 97]],
    ["error: rustup could not choose a version of rustc", null],
    ["", null],
  ];
  for (const [text, version] of printed) assert.deepEqual(parseRustVersion(text), version, text);
});

test("isAtLeast() compares numbers, not text", () => {
  assert.equal(isAtLeast([1, 100], [1, 85]), true);
  assert.equal(isAtLeast([1, 85], [1, 85]), true);
  assert.equal(isAtLeast([1, 9], [1, 85]), false);
  assert.equal(isAtLeast([2, 0], [1, 85]), true);
});
