import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { readArguments, splitVerb, type Options } from "./arguments.ts";
import { UsageError } from "./failure.ts";
import { isSandboxId } from "./shape.ts";

const options = {
  cwd: { type: "string", about: "" },
  label: { type: "string", multiple: true, about: "" },
} as const satisfies Options;

const afterId = (first: string | undefined): number =>
  first !== undefined && isSandboxId(first) ? 1 : 0;

suite("readArguments()", () => {
  for (const [args, positionals, command, cwd] of [
    [["sbx_a", "ls", "-la"], ["sbx_a"], ["ls", "-la"], undefined],
    [["sbx_a", "--cwd", "/tmp", "ls", "--cwd", "x"], ["sbx_a"], ["ls", "--cwd", "x"], "/tmp"],
    [["--cwd=/tmp", "sbx_a", "--", "-x"], ["sbx_a"], ["-x"], "/tmp"],
    [["--", "sbx_a", "ls"], [], ["sbx_a", "ls"], undefined],
    [["ls", "-la", "|", "wc"], [], ["ls", "-la", "|", "wc"], undefined],
    [["-q", "ls", "--", "x"], [], ["ls", "--", "x"], undefined],
    [["sbx_a"], ["sbx_a"], [], undefined],
    [[], [], [], undefined],
  ] as const) {
    test(`${JSON.stringify(args)} runs ${JSON.stringify(command)}`, () => {
      const parsed = readArguments(args, options, afterId);
      assert.deepEqual(parsed.positionals, positionals);
      assert.deepEqual(parsed.command, command);
      assert.equal(parsed.text("cwd"), cwd);
    });
  }

  test("an option that nobody knows is refused before the command, and left alone in it", () => {
    assert.throws(() => readArguments(["--nope", "ls"], options, afterId), UsageError);
    assert.throws(() => readArguments(["--nope"], options), /Unknown option '--nope'$/);
    assert.deepEqual(readArguments(["ls", "--nope"], options, afterId).command, ["ls", "--nope"]);
  });

  for (const [args, verb, rest] of [
    [["list", "--json"], "list", ["--json"]],
    [["--token", "list", "-q", "kill", "x"], "kill", ["--token", "list", "-q", "x"]],
    [["exec", "sbx_a", "--", "--json"], "exec", ["sbx_a", "--", "--json"]],
    [["--version"], undefined, ["--version"]],
    [[], undefined, []],
  ] as const) {
    test(`the verb of ${JSON.stringify(args)} is ${verb ?? "none"}`, () => {
      assert.deepEqual(splitVerb(args), [verb, rest]);
    });
  }

  test("a missing value is a usage error", () => {
    assert.throws(() => readArguments(["--cwd"], options), UsageError);
    assert.throws(() => readArguments(["--json=yes"], options), UsageError);
  });

  test("pairs are cut at the first equals sign", () => {
    const args = readArguments(["--label", "a=b=c", "--label", "d="], options);
    assert.deepEqual(args.pairs("label"), { a: "b=c", d: "" });
    for (const bad of ["a", "=b", ""]) {
      const { pairs } = { pairs: () => readArguments(["--label", bad], options).pairs("label") };
      assert.throws(pairs, UsageError);
    }
  });
});
