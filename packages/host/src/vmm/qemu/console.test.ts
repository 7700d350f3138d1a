import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempDisposable } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";

import { Console, lastWordsOf } from "./console.ts";

suite("the last words of a machine", () => {
  for (const [claim, text, words] of [
    ["are none when it said nothing", "", ""],
    ["are its last line", "one\r\ntwo\r\n\r\n", "two"],
    [
      "are why a kernel panicked, whatever it prints after that",
      "[ 3.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009\n[ 3.2] CPU: 0\n[ 3.3] Call Trace:\n",
      "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009",
    ],
    [
      "are why its first process gave up",
      "x\nskerry-guest: mount /: EIO\n",
      "skerry-guest: mount /: EIO",
    ],
    ["steer no terminal", "\u001b[2Jgone\u0007\u009b31m\n", "[2Jgone31m"],
    ["are short", "x".repeat(5_000), "x".repeat(200)],
  ] as const) {
    test(claim, () => assert.equal(lastWordsOf(text), words));
  }

  test("are kept of one that floods its console, which is read now and then", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    await using directory = await mkdtempDisposable(join(tmpdir(), "skerry-console-"));
    const path = join(directory.path, "console.sock");
    const server = createServer().listen(path);
    await once(server, "listening");
    const console = new Console(path);
    const [machine] = (await once(server, "connection")) as [Socket];
    t.after(() => [machine.destroy(), server.close()]);
    machine.write("noise\n".repeat(1_000_000));
    machine.end("Kernel panic - not syncing: hung\n");
    for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate);
    assert.ok(machine.writableLength > 4_000_000, "nobody reads on");
    assert.equal(await console.lastWords(), "Kernel panic - not syncing: hung");
  });

  test("are none where there is no console", async () => {
    assert.equal(await new Console("/nowhere/console.sock").lastWords(), "");
  });
});
