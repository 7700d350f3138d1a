import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";

import { readArguments } from "./arguments.ts";
import { findLocalServer, localEndpoint } from "./local-server.ts";
import { run } from "./run.ts";
import { serverOptions } from "./server-options.ts";
import { fakeContext } from "./testing/fake-context.ts";

const endpoint = {
  url: "http://127.0.0.1:8420",
  pid: process.pid,
  startedAt: "2026-01-02T03:04:05.000Z",
  version: "0.1.0",
  token: "ddo_it's",
};

/** A home with this in the file that a server writes. */
async function homeWith(content: string): Promise<{ path: string } & AsyncDisposable> {
  const home = await mkdtempDisposable(join(tmpdir(), "skerry-cli-"));
  await mkdir(join(home.path, "run"));
  await writeFile(join(home.path, "run/endpoint.json"), content);
  return { path: home.path, [Symbol.asyncDispose]: () => home.remove() };
}

suite("the local server", () => {
  test("runs when its process does", async () => {
    await using home = await homeWith(JSON.stringify(endpoint));
    assert.deepEqual(await findLocalServer(home.path), { kind: "running", endpoint });
    assert.deepEqual(await localEndpoint(home.path), endpoint);
    assert.equal((await findLocalServer(home.path, () => false)).kind, "dead");
  });

  test("is none without a home, and unreadable when the file makes no sense", async () => {
    assert.deepEqual(await findLocalServer("/nonexistent"), { kind: "none" });
    for (const content of ["", "{", "[]", '{"url":5}']) {
      await using home = await homeWith(content);
      assert.equal((await findLocalServer(home.path)).kind, "unreadable");
      await assert.rejects(localEndpoint(home.path), /makes no sense/);
    }
  });
});

suite("skerry env", () => {
  test("prints exports that a shell reads, or JSON", async () => {
    await using home = await homeWith(JSON.stringify({ ...endpoint, url: `${endpoint.url}/` }));
    const context = fakeContext({ home: home.path });
    assert.equal(await run(["env"], context), 0);
    assert.equal(
      context.written.stdout,
      `export DENO_DEPLOY_ENDPOINT=http://127.0.0.1:8420
export DENO_SANDBOX_ENDPOINT=http://127.0.0.1:8420
export DENO_DEPLOY_TOKEN='ddo_it'\\''s'
export SKERRY_ENDPOINT=http://127.0.0.1:8420
export SKERRY_TOKEN='ddo_it'\\''s'
`,
    );
    const other = fakeContext();
    assert.equal(await run(["env", "--json", "--home", home.path], other), 0);
    const { SKERRY_TOKEN } = JSON.parse(other.written.stdout) as { readonly SKERRY_TOKEN: string };
    assert.equal(SKERRY_TOKEN, endpoint.token);
  });

  test("has programs trust the local authority, beside what they trust anyway", async () => {
    const ingress = {
      ...{ url: "https://127.0.0.1:8443", baseDomain: "skerry.localhost" },
      ...{ apiUrl: "https://api.skerry.localhost:8443" },
      ...{ caFile: "/h/ingress/ca.pem", bundleFile: "/h/ingress/bundle.pem" },
    };
    await using home = await homeWith(JSON.stringify({ ...endpoint, ingress }));
    const context = fakeContext({ home: home.path });
    assert.equal(await run(["env"], context), 0);
    assert.match(context.written.stdout, /^export NODE_EXTRA_CA_CERTS=\/h\/ingress\/bundle\.pem$/m);
    assert.match(context.written.stdout, /^export DENO_CERT=\/h\/ingress\/bundle\.pem$/m);
    assert.match(context.written.stdout, /^export SSL_CERT_FILE=\/h\/ingress\/bundle\.pem$/m);
    const own = { ...ingress, caFile: null, bundleFile: null };
    await using operated = await homeWith(JSON.stringify({ ...endpoint, ingress: own }));
    const other = fakeContext({ home: operated.path });
    assert.equal(await run(["env"], other), 0);
    assert.doesNotMatch(other.written.stdout, /CERT/);
  });

  test("says in one line that no server runs", async () => {
    const context = fakeContext();
    assert.equal(await run(["env"], context), 1);
    assert.equal(context.written.stdout, "");
    const [line, remedy] = context.written.stderr.split("\n");
    assert.equal(line, "error: no server runs with the home /nonexistent");
    assert.match(remedy ?? "", /skerry serve/);
  });
});

suite("serverOptions()", () => {
  const nothing = { endpoint: undefined, token: undefined };
  const options = async (args: string[], defaults: object, home: string): Promise<unknown> =>
    serverOptions(readArguments(args, {}), fakeContext({ home }), { ...nothing, ...defaults });

  test("takes the local server when no other is named", async () => {
    await using home = await homeWith(JSON.stringify(endpoint));
    const local = { endpoint: endpoint.url, token: endpoint.token };
    assert.deepEqual(await options([], {}, home.path), local);
    assert.deepEqual(await options([], { token: "ddo_elsewhere" }, home.path), local);
    assert.deepEqual(await options(["--token", "ddo_b"], {}, home.path), {
      ...local,
      token: "ddo_b",
    });
  });

  test("gives the local token to the local server alone", async () => {
    await using home = await homeWith(JSON.stringify(endpoint));
    const named = async (url: string): Promise<unknown> =>
      options(["--endpoint", url], {}, home.path);
    assert.deepEqual(await named("http://127.0.0.1:8420/"), {
      endpoint: "http://127.0.0.1:8420/",
      token: endpoint.token,
    });
    assert.deepEqual(await named("http://evil.example:8420"), {
      endpoint: "http://evil.example:8420",
      token: undefined,
    });
  });

  test("takes the environment's server and token", async () => {
    const defaults = { endpoint: "http://a", token: "ddo_a" };
    assert.deepEqual(await options([], defaults, "/nonexistent"), defaults);
  });
});
