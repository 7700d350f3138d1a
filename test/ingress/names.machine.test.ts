import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";

import { Sandbox } from "@deno/sandbox";

import { eventually } from "../support/eventually.ts";
import { useServer } from "../support/official.ts";
import { ask } from "../support/outside-client.ts";
import { startServer, type TestServer } from "../support/server.ts";

const program = `
  import http from "node:http";
  const [port, host, word] = process.argv.slice(2);
  http.createServer((request, response) => response.end(word + " " + request.url)).listen(Number(port), host);
`;

let server: TestServer;
let sandbox: Sandbox;

before(async () => {
  server = await startServer();
  useServer(server);
  sandbox = await Sandbox.create();
  await sandbox.fs.writeTextFile("serve.mjs", program);
});
after(async () => {
  await sandbox.close();
  await server[Symbol.asyncDispose]();
});

/** Starts a server in the machine, and waits for nothing. */
async function serve(port: number, host: string, word: string): Promise<void> {
  await sandbox.spawn("node", {
    args: ["serve.mjs", String(port), host, word],
    ...{ stdout: "null", stderr: "null" },
  });
}

async function answerOf(url: string): Promise<string> {
  return await eventually(`${url} answers`, async () => {
    const { status, text } = await ask(server, url);
    return status === 200 && text;
  });
}

suite("the official client's exposeHttp", { timeout: 240_000 }, () => {
  test("gives a port a name, before and after somebody listens", async () => {
    const url = await sandbox.exposeHttp({ port: 8001 });
    assert.match(url, /^https:\/\/[0-9a-z]{24}\.skerry\.localhost:\d+$/);
    const early = await ask(server, url, { headers: { accept: "text/html" } });
    assert.equal(early.status, 502);
    assert.match(early.text, /port 8001/);
    assert.equal(early.headers["retry-after"], "2");
    await serve(8001, "127.0.0.1", "here");
    assert.equal(await answerOf(url), "here /");
  });

  test("reaches servers on each form of localhost and on all addresses", async () => {
    for (const [port, host] of [
      [8002, "::1"],
      [8003, "0.0.0.0"],
      [8004, "localhost"],
    ] as const) {
      const url = await sandbox.exposeHttp({ port });
      await serve(port, host, host);
      assert.equal(await answerOf(`${url}/x?y`), `${host} /x?y`);
    }
  });

  test("gives each call a name of its own, to one port as to several", async () => {
    await serve(8005, "127.0.0.1", "five");
    await serve(8006, "127.0.0.1", "six");
    const urls = await Promise.all([8005, 8005, 8006].map((port) => sandbox.exposeHttp({ port })));
    assert.equal(new Set(urls).size, 3);
    assert.deepEqual(await Promise.all(urls.map(answerOf)), ["five /", "five /", "six /"]);
  });

  test("leads to the server of a Deno program, whatever its port is", async () => {
    const runtime = await sandbox.deno.run({
      code: `Deno.serve({ port: 0 }, (request) => new Response("deno " + new URL(request.url).host))`,
    });
    assert.equal(await runtime.httpReady, true);
    const url = await sandbox.exposeHttp(runtime);
    assert.equal(await answerOf(url), `deno ${new URL(url).host}`);
    await runtime.kill();
    assert.equal((await ask(server, url)).status, 502);
  });

  test("leads to the port on which any other process listens, and to no process that is not there", async () => {
    const child = await sandbox.spawn("node", {
      args: ["serve.mjs", "8007", "127.0.0.1", "process"],
      ...{ stdout: "null", stderr: "null" },
    });
    const url = await sandbox.exposeHttp({ pid: child.pid } as never);
    assert.equal(await answerOf(url), "process /");
    await assert.rejects(sandbox.exposeHttp({ pid: 99_999 } as never));
  });

  test("the port option exposes it at once", async () => {
    await using other = await Sandbox.create({ port: 8080 });
    assert.ok(other.url !== undefined);
    await other.sh`python3 -m http.server 8080 --bind 127.0.0.1 >/dev/null 2>&1 & echo`;
    assert.match(await answerOf(other.url), /Directory listing/);
  });

  test("names end with their sandbox, and say no more than names that never were", async () => {
    const other = await Sandbox.create();
    const url = await other.exposeHttp({ port: 8001 });
    assert.equal((await ask(server, url)).status, 502);
    await other.kill();
    const over = await ask(server, url);
    const never = await ask(server, `https://${"0".repeat(24)}.skerry.localhost`);
    assert.equal(over.status, 404);
    assert.deepEqual([over.status, over.text], [never.status, never.text]);
  });
});
