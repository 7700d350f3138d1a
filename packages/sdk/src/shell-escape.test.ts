import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { suite, test } from "node:test";

import fc from "fast-check";

import { InvalidOptionError } from "./errors.ts";
import { escapeShellArg, shellCommand } from "./shell-escape.ts";

const command = (template: TemplateStringsArray, ...values: readonly unknown[]): string =>
  shellCommand(template, values);

/** The arguments that bash makes of a command line. */
function argumentsOf(line: string): string[] {
  const script = `printf '%s\\0' ${line}`;
  const output = execFileSync("/bin/bash", ["--norc", "-c", script], {
    env: { LC_ALL: "C.UTF-8" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  return output.toString().split("\0").slice(0, -1);
}

suite("shell escaping", () => {
  test("any text is one argument, byte for byte, in bash", () => {
    const nasty = fc.string({
      unit: fc.constantFrom(
        ...Array.from("'\"\\$`!*?[]{}()<>|&;#~=%^-+,. \t\n\r\x01\x7fabcXYZ019é中𝒳"),
      ),
    });
    const text = fc.oneof(nasty, fc.string({ unit: "grapheme" })).filter((t) => !t.includes("\0"));
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 40 }), (texts) => {
        assert.deepEqual(argumentsOf(texts.map(escapeShellArg).join(" ")), texts);
      }),
      { numRuns: 60 },
    );
  });

  for (const [value, expected] of [
    ["plain-1.txt", "plain-1.txt"],
    ["/a/b:c", "/a/b:c"],
    ["", "''"],
    [null, "''"],
    [undefined, "''"],
    [3.5, "3.5"],
    [true, "true"],
    [10n, "10"],
    ["a b", "'a b'"],
    ["it's", "'it'\\''s'"],
    ["~", "'~'"],
    ["a=b", "'a=b'"],
  ] as const) {
    test(`${JSON.stringify(String(value))} is written ${expected}`, () => {
      assert.equal(escapeShellArg(value), expected);
    });
  }

  test("a text with NUL is refused, since no argument can carry it", () => {
    assert.throws(() => escapeShellArg("a\0b"), InvalidOptionError);
  });

  test("a list becomes several arguments, and an empty one none", () => {
    assert.equal(command`rm ${["a b", "c", 1]} ${[]}-f`, "rm 'a b' c 1 -f");
  });

  test("what is written in the template stays", () => {
    assert.equal(command`echo $HOME | grep ${"a;b"} && true`, "echo $HOME | grep 'a;b' && true");
  });

  test("an escape that JavaScript does not know stays as it is written", () => {
    assert.equal(command`grep '\u{zz}' ${1}`, "grep '\\u{zz}' 1");
  });

  for (const value of [{}, () => {}, Symbol("x"), [{}], new Date(0)]) {
    test(`${Object.prototype.toString.call(value)} cannot be inserted`, () => {
      assert.throws(() => command`echo ${value}`, InvalidOptionError);
    });
  }
});
