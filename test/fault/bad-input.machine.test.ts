import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";

import { Sandbox } from "@deno/sandbox";

import { holdingsOf } from "../support/holdings.ts";
import { useServer } from "../support/official.ts";
import { RawClient, Refused } from "../support/raw-client.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
before(async () => {
  server = await startServer();
  useServer(server);
});
after(() => server[Symbol.asyncDispose]());

suite("a create that is refused", { timeout: 400_000 }, () => {
  const tooLong = "x".repeat(200);
  const configs: readonly (readonly [name: string, config: object | string, code: string])[] = [
    ["configuration that is no base64", "%%%", "INVALID_CONFIG"],
    ["configuration that is no JSON", btoa("{nope"), "INVALID_CONFIG"],
    ["configuration that is no object", btoa("[1]"), "INVALID_CONFIG"],
    ["configuration of the wrong types", { labels: "red" }, "INVALID_CONFIG"],
    ["too little memory", { memory_mb: 767 }, "MEMORY_OUT_OF_RANGE"],
    ["too much memory", { memory_mb: 4097 }, "MEMORY_OUT_OF_RANGE"],
    ["memory that is no number of MiB", { memory_mb: 1000.5 }, "MEMORY_OUT_OF_RANGE"],
    [
      "too many labels",
      { labels: Object.fromEntries("abcdef".split("").map((key) => [key, ""])) },
      "INVALID_LABELS",
    ],
    ["a label with a long key", { labels: { [tooLong]: "" } }, "INVALID_LABELS"],
    ["a label with a long value", { labels: { key: tooLong } }, "INVALID_LABELS"],
    ["a stop time in the past", { stop_at_ms: Date.now() - 1_000 }, "LIFETIME_OUT_OF_RANGE"],
    ["a stop time far away", { stop_at_ms: Date.now() + 86_400_000 }, "LIFETIME_OUT_OF_RANGE"],
    ["a host that is none", { allow_net: ["https://example.com"] }, "INVALID_CONFIG"],
    ["a host that no sandbox may reach", { allow_net: ["127.0.0.1:8420"] }, "INVALID_CONFIG"],
    ["10,000 hosts", { allow_net: Array(10_000).fill("a.example") }, "INVALID_CONFIG"],
    ["a root volume, which is not there yet", { root: { volume: "x" } }, "NOT_IMPLEMENTED"],
  ];
  for (const [name, config, code] of configs) {
    test(`${name} is ${code}, and nothing was started`, async () => {
      const before = holdingsOf(server.home);
      await assert.rejects(RawClient.create(server, config), (error) => {
        return error instanceof Refused && error.body.code === code && error.status >= 400;
      });
      assert.deepEqual(holdingsOf(server.home), before);
    });
  }

  for (const [name, token] of [
    ["a wrong token", `ddo_${"0".repeat(40)}`],
    ["a token of another kind", "Basic abc"],
    ["no token", ""],
  ] as const) {
    test(`${name} is INVALID_TOKEN`, async () => {
      await assert.rejects(RawClient.create({ url: server.url, token }), (error) => {
        return (
          error instanceof Refused && error.status === 401 && error.body.code === "INVALID_TOKEN"
        );
      });
    });
  }

  test("the official client throws its own InvalidTokenError", async () => {
    await assert.rejects(Sandbox.create({ token: `ddo_${"0".repeat(40)}` }), {
      name: "InvalidTokenError",
    });
  });

  test("a configuration of 900 kB is accepted, and never logged", async () => {
    const marker = "do-not-log-this-marker";
    const config = { env: { BIG: marker.repeat(30_000) } };
    const client = await RawClient.create(server, config).catch((error: unknown) => error);
    if (client instanceof RawClient) client.socket.terminate();
    assert.ok(!server.output().includes(marker));
  });

  test("an id that nobody has is SANDBOX_NOT_FOUND", async () => {
    const id = `sbx_ord_${"0".repeat(20)}`;
    await assert.rejects(Sandbox.connect(id), { code: "SANDBOX_NOT_FOUND", status: 404 });
  });
});

suite("a message that is refused", { timeout: 400_000 }, () => {
  let client: RawClient;
  before(async () => {
    client = await RawClient.create(server);
  });
  after(() => client.socket.terminate());

  const calls: readonly (readonly [string, string, object, number])[] = [
    ["an unknown method", "noSuchMethod", {}, -32601],
    ["an editor without a folder", "vscode", {}, -32602],
    [
      "an editor with a script for a page",
      "vscode",
      { path: "/home/app", preview: "javascript:0" },
      -32602,
    ],
    ["parameters of the wrong type", "readFile", { path: 7 }, -32602],
    ["parameters that are missing", "rename", { oldPath: "/a" }, -32602],
    ["a path with NUL", "readFile", { path: "/etc/pass\0wd" }, -32602],
    ["bytes that are no base64", "writeFile", { path: "/tmp/x", content: "***" }, -32602],
  ];
  for (const [name, method, params, code] of calls) {
    test(`${name} is ${code}`, async () => {
      assert.equal((await client.call(method, params)).error?.code, code);
      assert.deepEqual((await client.call("envToObject", {})).error, undefined);
    });
  }

  for (const [name, text, code] of [
    ["what is no JSON", "{", 4000],
    ["what is no JSON-RPC", "[]", 4001],
  ] as const) {
    test(`${name} closes the connection with ${code}`, async () => {
      const other = await RawClient.create(server);
      other.socket.send(text);
      assert.equal((await other.closed).code, code);
    });
  }

  test("a single message of 200 MB closes the connection with 1009 and harms nobody", async () => {
    const other = await RawClient.create(server);
    other.socket.on("error", () => undefined);
    other.socket.send(Buffer.alloc(200_000_000, "x"), { binary: false });
    const { code } = await other.closed;
    assert.ok(code === 1009 || code === 1006, `${code}`);
    assert.deepEqual((await client.call("envGet", { key: "HOME" })).result?.ok, "/home/sandbox");
  });
});
