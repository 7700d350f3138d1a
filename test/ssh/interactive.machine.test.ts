import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";

import type { Sandbox } from "@skerry/sdk";

import { startSshSandbox } from "../support/ssh-sandbox.ts";
import { TmuxTerminal } from "../support/tmux.ts";

const held = new AsyncDisposableStack();
const size = { cols: 100, rows: 30 };
let sandbox: Sandbox;
let config: string;
let directory: string;

before(async () => {
  ({ sandbox, config, directory } = held.use(await startSshSandbox()));
});
after(() => held.disposeAsync());

/** A person at a terminal, in a shell of the sandbox. */
async function enter(): Promise<TmuxTerminal> {
  const terminal = await TmuxTerminal.open(directory, ["ssh", "-F", config, "box"], size);
  await terminal.sees(/\$ *$/);
  return terminal;
}

suite("full-screen programs over ssh", { timeout: 400_000 }, () => {
  test("an editor opens a file, changes it and saves it", async () => {
    await sandbox.fs.writeTextFile("notes.txt", "first\nsecond\n");
    await using terminal = await enter();
    await terminal.type("vi notes.txt");
    await terminal.press("Enter");
    await terminal.sees(/first\nsecond\n~\n~/);
    await terminal.press("G", "o");
    await terminal.type("drittens – 三番目");
    await terminal.press("Escape");
    await terminal.sees(/drittens – 三番目/);
    await terminal.type(":wq");
    await terminal.press("Enter");
    await terminal.sees(/\$ *$/);
    assert.equal(await sandbox.fs.readTextFile("notes.txt"), "first\nsecond\ndrittens – 三番目\n");
  });

  test("one that fills the screen fills the new one when the window changes", async () => {
    await using terminal = await enter();
    // It draws once in ten minutes, unless something makes it draw.
    await terminal.type("top -d 600");
    await terminal.press("Enter");
    await terminal.sees(/^top - .*\n(?:.*\n)+ +PID USER/);
    const first = await terminal.screen();
    assert.ok(Math.max(...first.map((line) => line.length)) <= size.cols);
    await terminal.resize({ cols: 60, rows: 12 });
    const isDrawnAnew = /^top - (?:.*\n){6} +PID USER(?:.*\n){5}.*$/;
    const small = await terminal.sees(isDrawnAnew);
    assert.ok(small.split("\n").every((line) => line.length <= 60));
    assert.equal(
      await sandbox.sh`ps -o tty= -C top | xargs -I{} stty -F /dev/{} size`.text(),
      "12 60\n",
    );
    await terminal.press("q");
    await terminal.sees(/\$ *$/);
  });

  test("colours, job control and the end of input are as in any terminal", async () => {
    await using terminal = await enter();
    // What is typed while a shell starts a program is neither the shell's nor the program's.
    await terminal.type("sh -c 'echo reads; exec cat'");
    await terminal.press("Enter");
    await terminal.sees(/^reads$/m);
    await terminal.type("echoed");
    await terminal.press("Enter");
    await terminal.sees(/\nechoed\nechoed$/);
    await terminal.press("C-z");
    await terminal.sees(/Stopped +sh -c/);
    await terminal.type("fg");
    await terminal.press("Enter");
    await terminal.sees(/fg\nsh -c/);
    await terminal.press("C-d");
    await terminal.type("clear; tput colors; printf '\\033[31mred\\033[0m\\n'");
    await terminal.press("Enter");
    await terminal.sees(/^(?:8|256)\nred\n/);
  });

  test("tmux in the sandbox keeps a shell when the connection ends", async () => {
    {
      await using terminal = await enter();
      await terminal.type("tmux new -s kept 'echo still here; exec sleep 1000'");
      await terminal.press("Enter");
      await terminal.sees(/^still here/m);
    }
    await using terminal = await enter();
    await terminal.type("tmux attach -t kept");
    await terminal.press("Enter");
    await terminal.sees(/^still here/m);
  });
});
