import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { isAlive, ownerOf } from "./owner.ts";
import { runTool } from "./tool.ts";

const { signal } = new AbortController();
const doing = "try this";

test("runTool() returns what the program printed, with arguments and environment as given", async () => {
  const script = 'printf "%s|%s|%s" "$1" "$SOME" "$LC_ALL"';
  const output = await runTool("sh", ["-c", script, "sh", "a 'b' $c"], {
    doing,
    env: { SOME: "x=y z" },
    signal,
  });
  assert.equal(output.toString(), "a 'b' $c|x=y z|C");
});

test("runTool() writes output to a file", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "skerry-tool-"));
  t.after(() => rm(directory, { recursive: true }));
  const outputFile = join(directory, "out");
  const output = await runTool("seq", ["100000"], { doing, outputFile, signal });
  assert.equal(output.length, 0);
  assert.match(await readFile(outputFile, "utf8"), /^1\n2\n[^]*\n100000\n$/);
});

test("runTool() names the package of a program that is not there", async () => {
  await assert.rejects(runTool("no-such-program", [], { doing, signal }), {
    code: "tool_missing",
    message: "no-such-program is not installed: apt-get install no-such-program",
  });
});

test("runTool() says in one line what failed and what to do, and keeps the last lines", async () => {
  const script = "seq 1 100; echo oh no >&2; exit 3";
  const hint = "look again";
  await assert.rejects(runTool("sh", ["-c", script], { doing, hint, signal }), {
    code: "tool_failed",
    message: "could not try this: sh failed (exit status 3); look again",
    detail: /^8\d\n[^]*\n100\noh no$|oh no/,
  });
});

test("runTool() knows a full disk when it sees one", async () => {
  const script = "echo 'write: No space left on device' >&2; exit 1";
  await assert.rejects(runTool("sh", ["-c", script], { doing, signal }), { code: "no_space" });
});

test("runTool() hands lines on as they come", async () => {
  const lines: string[] = [];
  const onLine = (line: string): void => void lines.push(line);
  await runTool("sh", ["-c", "echo one; echo two >&2; echo three"], { doing, onLine, signal });
  assert.deepEqual(lines.toSorted(), ["one", "three", "two"]);
});

test("runTool() ends the program and its children when the signal aborts", async () => {
  const controller = new AbortController();
  const pids: string[] = [];
  const onLine = (line: string): void => {
    pids.push(ownerOf(Number(line)) ?? "gone");
    if (pids.length === 2) controller.abort(new Error("enough"));
  };
  const script = "echo $$; sh -c 'echo $$; exec sleep 600' & wait";
  const run = runTool("sh", ["-c", script], { doing, onLine, signal: controller.signal });
  await assert.rejects(run, new Error("enough"));
  assert.deepEqual(pids.map(isAlive), [false, false]);
});

test("runTool() insists when the program does not listen", { timeout: 20_000 }, async () => {
  const controller = new AbortController();
  const onLine = (): void => controller.abort(new Error("enough"));
  const script = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
  const run = runTool("sh", ["-c", script], { doing, onLine, signal: controller.signal });
  await assert.rejects(run, new Error("enough"));
});

test("runTool() ends what runs past its deadline", async () => {
  const run = runTool("sleep", ["600"], { doing, deadlineMs: 100, signal });
  await assert.rejects(run, { code: "tool_failed", message: /took too long/ });
});

test("runTool() starts nothing when the signal has aborted", async () => {
  const aborted = AbortSignal.abort(new Error("before"));
  await assert.rejects(runTool("true", [], { doing, signal: aborted }), new Error("before"));
});
