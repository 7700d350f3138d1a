import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { pathToFileURL } from "node:url";

import fc from "fast-check";

import { InvalidOptionError } from "./errors.ts";
import { pathText } from "./path.ts";

suite("pathText()", () => {
  test("gives back the path that a file: URL was made of, whatever is in its names", () => {
    const name = fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 12 })
      .filter((text) => !/[/\0]/.test(text) && text !== "." && text !== "..");
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 4 }), (names) => {
        const path = `/${names.join("/")}`;
        assert.equal(pathText(pathToFileURL(path)), path);
      }),
    );
  });

  test("leaves a text as it is, for the sandbox to understand", () => {
    fc.assert(fc.property(fc.string(), (text) => assert.equal(pathText(text), text)));
  });

  test("refuses a URL that is no path", () => {
    assert.throws(() => pathText(new URL("https://example.com/a")), InvalidOptionError);
  });
});
