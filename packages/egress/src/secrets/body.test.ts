import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { limits } from "@skerry/protocol";

import { fillBody, isBodyFilled } from "./body.ts";
import { SecretElsewhereError } from "./placeholders.ts";
import { placeholderOf, placeholdersOf, secretWith } from "./testing.ts";

const value = 'a "b" \\ & ü';
const placeholders = placeholdersOf([secretWith("a", { in: ["body"], value })]);
const a = placeholderOf("a");

suite("a body", () => {
  test("gets secrets only where one may be in a body", () => {
    const short = { encoding: undefined, length: "10" };
    assert.equal(isBodyFilled(short, placeholders), true);
    assert.equal(isBodyFilled(short, placeholdersOf([secretWith("a")])), false);
    const other = placeholdersOf([secretWith("a", { in: ["body"], hosts: ["other.example"] })]);
    assert.equal(isBodyFilled(short, other), false);
  });

  test("passes untouched when it is long, compressed, or does not say how long it is", () => {
    const long = String(limits.secretBodyBytesMax + 1);
    for (const headers of [
      { encoding: undefined, length: long },
      { encoding: undefined, length: undefined },
      { encoding: "gzip", length: "10" },
      { encoding: undefined, length: "ten" },
    ]) {
      assert.equal(isBodyFilled(headers, placeholders), false);
    }
  });

  for (const [type, written] of [
    ["application/json", JSON.stringify(value).slice(1, -1)],
    ["application/vnd.api+json; charset=utf-8", JSON.stringify(value).slice(1, -1)],
    ["application/x-www-form-urlencoded", encodeURIComponent(value)],
    ["text/plain", value],
    [undefined, value],
  ] as const) {
    test(`has them written as ${type ?? "no type"} has it`, () => {
      const filled = fillBody(Buffer.from(`<${a}>`), type, placeholders);
      assert.equal(filled.toString(), `<${written}>`);
    });
  }

  test("keeps every other byte", () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    const filled = fillBody(Buffer.concat([bytes, Buffer.from(a), bytes]), undefined, placeholders);
    assert.deepEqual(filled, Buffer.concat([bytes, Buffer.from(value), bytes]));
    assert.equal(fillBody(bytes, undefined, placeholders), bytes);
  });

  test("does not go on with the placeholder of a secret for another host", () => {
    const elsewhere = secretWith("b", { hosts: ["other.example"] });
    const both = placeholdersOf([secretWith("a", { in: ["body"] }), elsewhere]);
    const body = Buffer.from(placeholderOf("b"));
    assert.throws(() => fillBody(body, undefined, both), SecretElsewhereError);
  });
});
