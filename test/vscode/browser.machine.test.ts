import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { Sandbox } from "@skerry/sdk";

import { openBrowser } from "../support/browser.ts";
import { eventually } from "../support/eventually.ts";
import { startServer } from "../support/server.ts";

/** Emulated machines take their time. */
const patience = { timeout: 400_000 };
const file = "/home/app/hello.txt";

suite("the editor, in a browser", { timeout: 1_100_000 }, () => {
  test("changes a file, runs a terminal and finds text, all of it in the sandbox", async () => {
    await using server = await startServer();
    const options = { endpoint: server.url, token: server.token };
    await using sandbox = await Sandbox.create(options);
    await sandbox.fs.writeTextFile(file, "first\n");
    await using editor = await sandbox.exposeVscode("/home/app");
    await using browser = await openBrowser(server);
    const page = await browser.context.newPage();
    await page.goto(editor.url, patience);
    assert.ok(!page.url().includes("skerry-token"), "the address bar has no token");

    const entry = page.locator('.explorer-folders-view [aria-label^="hello.txt"]');
    await entry.first().dblclick(patience);
    const text = page.locator(".monaco-editor .view-lines", { hasText: "first" });
    await text.first().click(patience);
    await page.keyboard.press("Control+End");
    await page.keyboard.type("second");
    await page.keyboard.press("Control+s");
    const isSaved = async (): Promise<boolean> =>
      (await sandbox.fs.readTextFile(file)) === "first\nsecond";
    await eventually("the file is saved", isSaved, patience.timeout);

    await page.keyboard.press("Control+Backquote");
    const terminal = page.locator(".terminal-wrapper .xterm-screen").first();
    await terminal.click(patience);
    await page.keyboard.type("echo $((6 * 7)) $USER > from-terminal\n");
    const hasRun = async (): Promise<boolean> => {
      const said = await sandbox.fs.readTextFile("/home/app/from-terminal").catch(() => "");
      return said === "42 sandbox\n";
    };
    await eventually("the terminal has run it", hasRun, patience.timeout);

    await page.keyboard.press("Control+Shift+f");
    await page.locator(".search-view .search-widget textarea").first().fill("second", patience);
    await page.keyboard.press("Enter");
    await page.locator(".search-view .linematch").first().waitFor(patience);

    await using other = await openBrowser(server);
    const late = await other.context.newPage();
    const answer = await late.goto(editor.url, patience);
    assert.equal(answer?.status(), 403, "the address is used up");
  });
});
