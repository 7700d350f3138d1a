import assert from "node:assert/strict";
import { test } from "node:test";

import { ProgressDisplay } from "./display.ts";

test("off a terminal, a step of two seconds has a line at its start and one at its end", () => {
  const { display, lines, wait } = fakeDisplay({ isTTY: false });
  display.report({ step: "kernel" });
  wait(1_900);
  assert.deepEqual(lines(), []);
  wait(200);
  display.report({ step: "kernel", detail: "never shown here" });
  wait(900);
  display.report({ step: "kernel", done: true });
  assert.deepEqual(lines(), ["kernel …", "kernel: done in 3 s"]);
});

test("a step that is quick leaves no trace", () => {
  for (const isTTY of [false, true]) {
    const { display, screen, wait } = fakeDisplay({ isTTY });
    display.report({ step: "empty disk" });
    wait(500);
    display.report({ step: "empty disk", done: true });
    assert.deepEqual(screen(), []);
  }
});

test("on a terminal, running steps are redrawn below those that have ended", () => {
  const { display, screen, wait } = fakeDisplay({ isTTY: true });
  display.report({ step: "kernel" });
  display.report({ step: "root file system", detail: "fetching" });
  wait(3_000);
  assert.deepEqual(screen(), ["· kernel 3 s", "· root file system 3 s  fetching"]);
  display.report({ step: "kernel", done: true });
  wait(1_000);
  assert.deepEqual(screen(), ["✓ kernel 3 s", "· root file system 4 s  fetching"]);
  display[Symbol.dispose]();
  assert.deepEqual(screen(), ["✓ kernel 3 s"]);
});

test("on a terminal, no line is as wide as the terminal", () => {
  const { display, screen, wait } = fakeDisplay({ isTTY: true, columns: 30 });
  display.report({ step: "root file system", detail: "x".repeat(200) });
  wait(0);
  assert.deepEqual(
    screen().map((line) => line.length < 30),
    [true],
  );
});

test("there is colour only when it is asked for, and only on a terminal", () => {
  for (const { isTTY, color, expected } of [
    { isTTY: true, color: true, expected: true },
    { isTTY: true, color: false, expected: false },
    { isTTY: false, color: true, expected: false },
  ]) {
    const { display, written, wait } = fakeDisplay({ isTTY, color });
    display.report({ step: "kernel" });
    wait(3_000);
    display.report({ step: "kernel", done: true });
    assert.equal(/ESC\[\d*m/.test(written()), expected);
  }
});

test("done of a step that nobody heard of says nothing", () => {
  const { display, screen } = fakeDisplay({ isTTY: true });
  display.report({ step: "kernel", done: true });
  assert.deepEqual(screen(), []);
});

interface FakeOptions {
  readonly isTTY: boolean;
  readonly columns?: number;
  readonly color?: boolean;
}

function fakeDisplay({ isTTY, columns = 80, color = false }: FakeOptions) {
  let nowMs = 1_000;
  let text = "";
  const stream = {
    isTTY,
    columns,
    write: (chunk: string) => (text += chunk.replaceAll("\x1b", "ESC")),
  };
  const display = new ProgressDisplay({ stream, color, now: () => nowMs });
  return {
    display,
    wait: (elapsedMs: number): void => {
      nowMs += elapsedMs;
      display.tick();
    },
    written: () => text,
    lines: () => text.split("\n").filter(Boolean),
    screen: () => render(text),
  };
}

/** What a terminal shows after this text: lines, "up n" and "erase below" are all it knows. */
function render(text: string): readonly string[] {
  const lines: string[] = [];
  for (const [, up, line] of text.matchAll(/ESC\[(\d+)AESC\[0J|([^\n]*)\n/g)) {
    if (up === undefined) lines.push(line ?? "");
    else lines.splice(lines.length - Number(up));
  }
  return lines;
}
