import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { Sandbox } from "@skerry/sdk";
import type { Page } from "playwright-core";

import { openBrowser } from "../support/browser.ts";
import { eventually } from "../support/eventually.ts";
import { startServer } from "../support/server.ts";

/** Emulated machines take their time. */
const patience = { timeout: 120_000 };
const file = "/home/app/hello.txt";

suite("the editor, in a browser", { timeout: 500_000 }, () => {
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

    await openFile(page, "hello.txt");
    await page.screenshot({ path: "/tmp/ed/t1.png" });
    await page.keyboard.press("Control+End");
    await page.keyboard.type("second");
    await page.keyboard.press("Control+s");
    await eventually(
      "the file is saved",
      async () => {
        return (await sandbox.fs.readTextFile(file)) === "first\nsecond";
      },
      patience.timeout,
    );

    await page.keyboard.press("Control+Backquote");
    await page
      .locator(".terminal.xterm .xterm-helper-textarea")
      .first()
      .waitFor({ ...patience, state: "attached" });
    await page.locator(".terminal.xterm").first().click();
    await page.keyboard.type("echo $((6 * 7)) $USER > from-terminal\n");
    await eventually(
      "the terminal has run it",
      async () => {
        const said = await sandbox.fs.readTextFile("/home/app/from-terminal").catch(() => "");
        return said === "42 sandbox\n";
      },
      patience.timeout,
    );

    await page.keyboard.press("Control+Shift+f");
    await page.keyboard.type("second");
    await page.locator(".search-view .linematch").first().waitFor(patience);

    await using other = await openBrowser(server);
    const late = await other.context.newPage();
    const answer = await late.goto(editor.url, patience);
    assert.equal(answer?.status(), 403, "the address is used up");
    await page.reload(patience);
    await page.locator(".monaco-workbench").waitFor(patience);
  });
});

/** Chromium gives up what it loads when a network interface comes or goes, which those of machines do: then again. */
async function openFile(page: Page, name: string): Promise<void> {
  const entry = page.locator(`.explorer-folders-view [aria-label^="${name}"]`).first();
  for (let triesLeft = 3; triesLeft > 0; triesLeft -= 1) {
    try {
      await entry.dblclick(patience);
      break;
    } catch (error) {
      if (triesLeft === 1) throw error;
      await page.reload(patience);
    }
  }
  await page.locator(".monaco-editor .view-lines", { hasText: "first" }).first().click(patience);
}
