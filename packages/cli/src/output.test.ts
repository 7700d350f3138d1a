import assert from "node:assert/strict";
import { suite, test } from "node:test";

import fc from "fast-check";

import { plainJson, plainLine, plainText } from "./sanitize.ts";
import { spanText, timeText } from "./shape.ts";
import { tableLines } from "./table.ts";

suite("plainText()", () => {
  for (const [text, expected] of [
    ["plain é 中 🏝", "plain é 中 🏝"],
    ["\u001b[31mred\u001b[0m", "red"],
    ["\u001b]52;c;cm0gLXJm\u0007x", "x"],
    ["\u001b]0;title\u001b\\x", "x"],
    ["\u009b2Jx", "x"],
    ["a\rb\bc\u0000d", "abcd"],
    ["admin\u202egnp.exe", "admingnp.exe"],
    ["a\tb\nc", "a\tb\nc"],
  ] as const) {
    test(`of ${JSON.stringify(text)} is ${JSON.stringify(expected)}`, () => {
      assert.equal(plainText(text), expected);
    });
  }

  test("leaves nothing that a terminal acts on, whatever comes", () => {
    const nasty = fc.string({
      unit: fc.constantFrom("\u001b", "[", "]", "5", ";", "\u0007", "\u009b", "m", "\n"),
    });
    fc.assert(
      fc.property(fc.oneof(nasty, fc.string({ unit: "binary" })), (text) => {
        assert.doesNotMatch(plainLine(text), /\p{Cc}|[\u202a-\u202e\u2066-\u2069]/u);
        assert.doesNotMatch(plainJson({ text }).replaceAll("\n", ""), /\p{Cc}/u);
        assert.deepEqual(JSON.parse(plainJson({ text })), { text });
      }),
    );
  });
});

suite("tableLines()", () => {
  test("aligns columns and leaves no spaces at the end", () => {
    assert.deepEqual(
      tableLines(
        ["ID", "STATUS"],
        [
          ["sbx_1", "running"],
          ["é", ""],
        ],
      ),
      ["ID     STATUS", "sbx_1  running", "é"],
    );
  });

  test("keeps a cell in its line, whatever is in it", () => {
    assert.deepEqual(tableLines(["A", "B"], [["x\ny\u001b[2J", "z"]]), ["A    B", "x y  z"]);
  });
});

suite("spans and times", () => {
  for (const [ms, text] of [
    [0, "0s"],
    [-5, "0s"],
    [59_999, "59s"],
    [60_000, "1m"],
    [61_000, "1m 1s"],
    [3_600_000, "1h"],
    [3_605_000, "1h"],
    [90_061_000, "1d 1h"],
  ] as const) {
    test(`${ms} ms are ${text}`, () => assert.equal(spanText(ms), text));
  }

  test("a time is UTC to the second", () => {
    assert.equal(timeText(new Date(1_767_323_045_678)), "2026-01-02 03:04:05");
  });
});
