import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { Sandbox } from "@deno/sandbox";
import { Sandbox as OwnSandbox } from "@skerry/sdk";

import { useServer } from "../support/official.ts";
import { ask } from "../support/outside-client.ts";
import { startServer } from "../support/server.ts";

const page = { accept: "text/html" };

suite("the editor, for the official client", { timeout: 400_000 }, () => {
  test("opens once, has no token of the caller's, tells how it ends", async () => {
    await using server = await startServer();
    useServer(server);
    await using sandbox = await Sandbox.create();
    const editor = await sandbox.exposeVscode("/home/app", {
      env: { EDITED_BY: "a test", ALSO: server.token },
      editorSettings: { "editor.fontSize": 33 },
    });
    const said = text(editor.stdout);

    const url = new URL(editor.url);
    assert.equal(url.protocol, "https:");
    const bare = new URL("/", url);
    assert.equal((await ask(server, bare, { headers: page })).status, 403, "without the token");
    assert.equal((await ask(server, url)).status, 403, "from no browser");
    const first = await ask(server, url, { headers: page });
    assert.deepEqual([first.status, first.headers.location], [302, bare.href]);
    const again = await ask(server, url, { headers: page });
    assert.equal(again.status, 403, "for a second one");
    assert.match(again.text, /private/);
    const cookie = first.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
    const inside = await ask(server, url, { headers: { ...page, cookie } });
    assert.equal(inside.status, 302, "code-server sends browsers on to the folder");
    const workbench = await ask(server, new URL(inside.headers.location ?? "", bare), {
      headers: { ...page, cookie },
    });
    assert.equal(workbench.status, 200);
    assert.match(workbench.text, /workbench/);

    const environments = await sandbox.sh`cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'`
      .noThrow()
      .text();
    assert.match(environments, /^EDITED_BY=a test$/m);
    assert.ok(!environments.includes(server.token));
    const [, own = ""] = /^DENO_DEPLOY_SANDBOX_TOKEN=(.+)$/m.exec(environments) ?? [];
    const client = { endpoint: server.url, token: own };
    await using connected = await OwnSandbox.connect(sandbox.id, client);
    assert.equal(await connected.sh`echo inside`.text(), "inside\n");
    await assert.rejects(OwnSandbox.create(client), "it is good for nothing else");
    const settings = await sandbox.fs.readTextFile(
      "/home/app/.local/share/skerry-vscode/User/settings.json",
    );
    assert.equal((JSON.parse(settings) as Record<string, unknown>)["editor.fontSize"], 33);

    await editor.kill();
    const { success, signal } = await editor.status;
    assert.deepEqual([success, signal], [true, null]);
    assert.match(await said, /HTTP server listening on http:\/\/127\.0\.0\.1:/);
  });
});

async function text(stream: ReadableStream<Uint8Array> | null): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream ?? []) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
