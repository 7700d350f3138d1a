import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";

import { Sandbox } from "@deno/sandbox";

import { useServer } from "../support/official.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let sandbox: Sandbox;

/** A server inside the machine that does what fetch must stand. */
const origin = `
import http from "node:http";
import net from "node:net";
http.createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://x");
  const to = (status, location) => response.writeHead(status, { location }).end("redirect");
  if (pathname === "/see") return response.end(JSON.stringify([request.method, request.headers]));
  if (pathname === "/302") return to(302, "/see");
  if (pathname === "/307") return to(307, "/see");
  if (pathname === "/elsewhere") return to(302, "http://127.0.0.1:7070/see");
  if (pathname === "/loop") return to(302, "/loop");
  if (pathname === "/file") return to(302, "file:///etc/passwd");
  if (pathname === "/slow") return response.write("begun\\n");
  if (pathname === "/empty") return response.writeHead(204).end();
  if (pathname === "/twice") return response.writeHead(200, [["set-cookie", "a=1"], ["set-cookie", "b=2"]].flat()).end();
  response.writeHead(404).end("nothing here");
}).listen(7070, () => console.log("ready"));
const raw = (port, text) => net.createServer((socket) => { socket.on("error", () => {}); socket.end(text); }).listen(port);
net.createServer((socket) => socket.on("error", () => {})).listen(7075);
raw(7071, "HTTP/1.1 200 OK\\r\\nx: " + "y".repeat(200000));
raw(7072, "this is not HTTP\\r\\n\\r\\n");
raw(7073, "HTTP/1.1 200 OK\\r\\ncontent-length: 100\\r\\n\\r\\nshort");
net.createServer((socket) => socket.on("data", () => socket.destroy())).listen(7074);
`;

before(async () => {
  server = await startServer();
  useServer(server);
  sandbox = await Sandbox.create();
  await sandbox.fs.writeTextFile("origin.mjs", origin);
  const child = await sandbox.spawn("node", {
    args: ["origin.mjs"],
    stdout: "piped",
    stderr: "null",
  });
  const reader = child.stdout!.getReader();
  assert.match(new TextDecoder().decode((await reader.read()).value), /ready/);
});
after(async () => {
  await sandbox.close();
  await server[Symbol.asyncDispose]();
});

const at = "http://localhost:7070";

suite("fetch", { timeout: 400_000 }, () => {
  test("reaches a server inside, with method and headers", async () => {
    const headers = { "x-mine": "yes", authorization: "Bearer t" };
    const answer = await sandbox.fetch(`${at}/see`, { method: "PUT", body: "text", headers });
    const [method, seen] = (await answer.json()) as [string, Record<string, string>];
    assert.equal(method, "PUT");
    assert.deepEqual(
      [seen["x-mine"], seen["authorization"], seen["host"]],
      ["yes", "Bearer t", "localhost:7070"],
    );
  });

  test("tells status and headers as they are", async () => {
    const missing = await sandbox.fetch(`${at}/missing`);
    assert.deepEqual(
      [missing.status, missing.statusText, await missing.text()],
      [404, "Not Found", "nothing here"],
    );
    const empty = await sandbox.fetch(`${at}/empty`);
    assert.deepEqual([empty.status, empty.body], [204, null]);
    assert.deepEqual((await sandbox.fetch(`${at}/twice`)).headers.getSetCookie(), ["a=1", "b=2"]);
  });

  test("follows redirects, as a browser would", async () => {
    const posted = await sandbox.fetch(`${at}/302`, { method: "POST", body: "x" });
    assert.equal(((await posted.json()) as [string])[0], "GET");
    const kept = await sandbox.fetch(`${at}/307`);
    assert.equal(((await kept.json()) as [string])[0], "GET");
    const manual = await sandbox.fetch(`${at}/302`, { redirect: "manual" });
    assert.deepEqual([manual.status, manual.headers.get("location")], [302, "/see"]);
    const elsewhere = await sandbox.fetch(`${at}/elsewhere`, {
      headers: { authorization: "Bearer t" },
    });
    const [, seen] = (await elsewhere.json()) as [string, Record<string, string>];
    assert.equal(seen["authorization"], undefined, "another origin does not get it");
    await assert.rejects(sandbox.fetch(`${at}/loop`), /too many redirects/);
    await assert.rejects(sandbox.fetch(`${at}/file`), /no HTTP URL/);
  });

  test("says why it fails", async () => {
    await assert.rejects(sandbox.fetch("http://localhost:1/"), /Connection refused/);
    await assert.rejects(sandbox.fetch("ftp://localhost/"), /http: and https:/);
    await assert.rejects(sandbox.fetch("https://localhost:7070/"), TypeError);
  });

  test("stands hostile servers", async () => {
    await assert.rejects(sandbox.fetch("http://localhost:7071/"), /HPE_HEADER_OVERFLOW/);
    await assert.rejects(sandbox.fetch("http://localhost:7072/"), TypeError);
    await assert.rejects((await sandbox.fetch("http://localhost:7073/")).text());
    await assert.rejects(sandbox.fetch("http://localhost:7074/"), TypeError);
    assert.equal((await sandbox.fetch(`${at}/see`)).status, 200);
  });

  test("can be aborted before and after the answer has begun", async () => {
    const early = new AbortController();
    const hanging = sandbox.fetch("http://localhost:7075/", { signal: early.signal });
    assert.equal((await sandbox.fetch(`${at}/see`)).status, 200);
    early.abort();
    await assert.rejects(hanging, { name: "AbortError" });
    const late = new AbortController();
    const answer = await sandbox.fetch(`${at}/slow`, { signal: late.signal });
    const reader = answer.body!.getReader();
    assert.equal(new TextDecoder().decode((await reader.read()).value), "begun\n");
    late.abort();
    await assert.rejects(reader.read());
  });
});
