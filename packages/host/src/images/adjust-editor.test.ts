import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { adjustEditor } from "./adjust-editor.ts";

for (const [claim, text, result] of [
  ["what is there once is changed", "a 60 b", "a 600 b"],
  ["what is not there is an error", "a 61 b", null],
  ["what is there twice is an error", "60 60", null],
] as const) {
  test(`in the editor, ${claim}`, async () => {
    await using directory = await mkdtempDisposable(join(tmpdir(), "skerry-adjust-"));
    const list = join(directory.path, "list.json");
    const adjustments = [{ why: "it is slow", file: "main.js", from: "60", to: "600" }];
    await writeFile(list, JSON.stringify(adjustments));
    await writeFile(join(directory.path, "main.js"), text);
    const change = adjustEditor(list, directory.path);
    if (result === null) await assert.rejects(change, { code: "bad_recipe" });
    else await change;
    assert.equal(await readFile(join(directory.path, "main.js"), "utf8"), result ?? text);
  });
}
