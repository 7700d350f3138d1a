import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";

import { Sandbox, type VsCode } from "@skerry/sdk";
import type { Frame, Page } from "playwright-core";

import { openBrowser } from "../support/browser.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { packageExtension } from "../support/vsix.ts";

/** Emulated machines take their time. */
const patience = { timeout: 400_000 };
const project = "/home/app/project";
const file = `${project}/hello.txt`;
const fromExtension = "/home/app/from-extension";

suite("the editor, in a browser", { timeout: 1_100_000 }, () => {
  const held = new AsyncDisposableStack();
  let server: TestServer;
  let sandbox: Sandbox;
  let editor: VsCode;
  let preview: string;
  let page: Page;

  before(async () => {
    server = held.use(await startServer());
    sandbox = held.use(await Sandbox.create({ endpoint: server.url, token: server.token }));
    await sandbox.sh`git init --quiet ${project}`;
    await sandbox.fs.writeTextFile(file, "first\n");
    await packageExtension(sandbox, "/tmp/example.vsix", {
      name: "example",
      code: `exports.activate = () => require("node:fs").writeFileSync("${fromExtension}", "ran");`,
    });
    await sandbox.fs.mkdir("/tmp/site");
    await sandbox.fs.writeTextFile("/tmp/site/index.html", "<h1>the preview</h1>");
    const site = await sandbox.spawn("python3", {
      args: ["-m", "http.server", "8000", "--bind", "127.0.0.1", "--directory", "/tmp/site"],
      ...{ stdout: "null", stderr: "null" },
    });
    held.defer(() => site.kill());
    preview = await sandbox.exposeHttp({ port: 8000 });
    const extensions = ["/tmp/example.vsix"];
    editor = await sandbox.exposeVscode(project, { extensions, preview });
    const browser = held.use(await openBrowser(server));
    page = await browser.context.newPage();
    await page.goto(editor.url, patience);
  });
  after(() => held.disposeAsync());

  test("is opened by an address that is used up then, and that nobody sees", async () => {
    assert.ok(!page.url().includes("skerry-token"), "the address bar has no token");
    await using other = await openBrowser(server);
    const late = await other.context.newPage();
    const answer = await late.goto(editor.url, patience);
    assert.equal(answer?.status(), 403);
  });

  test("changes a file of the sandbox", async () => {
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
  });

  test("shows the page that it was opened for, and runs the extension that it was given", async () => {
    const look = (): Frame | undefined =>
      page.frames().find((frame) => frame.url().startsWith(preview));
    const frame = await eventually("the preview", look, patience.timeout);
    await frame.getByText("the preview").waitFor(patience);
    assert.equal(await sandbox.fs.readTextFile(fromExtension), "ran");
  });

  test("runs a terminal in the sandbox", async () => {
    await page.keyboard.press("Control+Backquote");
    const terminal = page.locator(".terminal-wrapper .xterm-screen").first();
    await terminal.click(patience);
    await page.keyboard.type("echo $((6 * 7)) $USER > from-terminal\n");
    const hasRun = async (): Promise<boolean> => {
      const said = await sandbox.fs.readTextFile(`${project}/from-terminal`).catch(() => "");
      return said === "42 sandbox\n";
    };
    await eventually("the terminal has run it", hasRun, patience.timeout);
  });

  test("finds text in the sandbox", async () => {
    await page.keyboard.press("Control+Shift+f");
    await page.locator(".search-view .search-widget textarea").first().fill("second", patience);
    await page.keyboard.press("Enter");
    await page.locator(".search-view .linematch").first().waitFor(patience);
  });

  test("tells what git knows", async () => {
    await page.locator('.activitybar [aria-label^="Source Control"]').first().click(patience);
    const changed = page.locator(".scm-view .monaco-list-row", { hasText: "hello.txt" });
    await changed.first().waitFor(patience);
  });

  test("ends by its button", async () => {
    await page.locator(".statusbar-item", { hasText: "Stop VS Code Instance" }).click(patience);
    const { success } = await editor.status;
    assert.equal(success, true);
  });
});
