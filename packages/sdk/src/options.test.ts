import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { CreateConfig } from "@skerry/protocol";
import fc from "fast-check";

import { environmentDefaults } from "./config.ts";
import { InvalidOptionError, MissingEndpointError, MissingTokenError } from "./errors.ts";
import { createHeaders, sandboxIdOf, serverOf, type SandboxOptions } from "./options.ts";

const nothing = { endpoint: undefined, token: undefined };

/** What a server reads from the headers, with the decoder that is least forgiving. */
function configOf(options: SandboxOptions, nowMs = 0): CreateConfig {
  return CreateConfig.parse(jsonOf(options, nowMs));
}

function jsonOf(options: SandboxOptions, nowMs: number): { readonly env?: unknown } {
  const encoded = createHeaders(options, nowMs)["x-deno-sandbox-config"] ?? "";
  return JSON.parse(Buffer.from(encoded, "base64").toString("latin1")) as object;
}

suite("serverOf()", () => {
  test("takes the options before the environment", () => {
    const defaults = { endpoint: "http://other:1", token: "ddo_other" };
    const server = serverOf({ endpoint: "http://127.0.0.1:8420/", token: "ddo_a" }, defaults);
    assert.equal(server.endpoint.href, "http://127.0.0.1:8420/");
    assert.equal(server.token, "ddo_a");
    assert.equal(serverOf({}, defaults).token, "ddo_other");
  });

  test("takes the official client's endpoint, also as a function of the region", () => {
    const defaults = { endpoint: undefined, token: "ddo_a" };
    const sandboxEndpoint = (region: string): string => `https://${region}.example`;
    assert.equal(
      serverOf({ sandboxEndpoint, region: "ams" }, defaults).endpoint.host,
      "ams.example",
    );
    assert.equal(
      serverOf({ sandboxEndpoint: "https://x.example" }, defaults).endpoint.host,
      "x.example",
    );
  });

  test("says what is missing", () => {
    assert.throws(() => serverOf({ token: "ddo_a" }, nothing), MissingEndpointError);
    assert.throws(() => serverOf({ endpoint: "http://a" }, nothing), MissingTokenError);
    assert.throws(() => serverOf({ endpoint: "http://a", token: "" }, nothing), MissingTokenError);
  });

  test("refuses what cannot be an address or a token, before anything is sent", () => {
    for (const endpoint of ["", "8420", "ftp://a", "a b"]) {
      assert.throws(() => serverOf({ endpoint, token: "ddo_a" }, nothing), InvalidOptionError);
    }
    const token = "ddo_a\r\nx: y";
    assert.throws(() => serverOf({ endpoint: "http://a", token }, nothing), InvalidOptionError);
  });
});

suite("environmentDefaults()", () => {
  test("takes our variables first, then the official ones, and no empty ones", () => {
    assert.deepEqual(
      environmentDefaults({ SKERRY_TOKEN: "", DENO_DEPLOY_TOKEN: "b", DENO_SANDBOX_ENDPOINT: "e" }),
      { token: "b", endpoint: "e" },
    );
    assert.deepEqual(
      environmentDefaults({
        SKERRY_TOKEN: "a",
        DENO_DEPLOY_TOKEN: "b",
        SKERRY_ENDPOINT: "s",
        DENO_SANDBOX_ENDPOINT: "e",
      }),
      { token: "a", endpoint: "s" },
    );
  });
});

suite("createHeaders()", () => {
  test("says nothing where nothing is asked", () => assert.deepEqual(configOf({}), {}));

  test("translates every option, in both spellings", () => {
    const options = {
      lifetime: "5m",
      memoryMb: 2048,
      labels: { a: "b" },
      env: { K: "v" },
      root: "base",
      volumes: { "/data": "vol" },
      allowNet: [],
      secrets: { S: { hosts: ["a.example"], value: "x" } },
    } as const;
    const expected = {
      stop_at_ms: 301_000,
      memory_mb: 2048,
      labels: { a: "b" },
      env: { K: "v" },
      root: { volume: "base" },
      volumes: [{ volume: "vol", path: "/data" }],
      allow_net: [],
      secrets: { S: { hosts: ["a.example"], value: "x" } },
    };
    assert.deepEqual(configOf(options, 1_000), expected);
    const { lifetime, memoryMb, ...rest } = options;
    assert.deepEqual(configOf({ ...rest, timeout: lifetime, memory: "2GiB" }, 1_000), expected);
    assert.equal(memoryMb, 2048);
  });

  test("sends the region beside the configuration", () => {
    assert.equal(createHeaders({ region: "ams" }, 0)["x-skerry-region"], "ams");
  });

  test("refuses two names that say different things", () => {
    assert.throws(() => createHeaders({ timeout: "1m", lifetime: "2m" }, 0), InvalidOptionError);
    assert.throws(() => createHeaders({ memory: "1GiB", memoryMb: 5 }, 0), InvalidOptionError);
  });

  test("refuses a configuration that no server takes", () => {
    const env = { A: "x".repeat(1_000_000) };
    assert.throws(() => createHeaders({ env }, 0), InvalidOptionError);
  });

  test("whatever text is in it arrives, however the server decodes it", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: "binary" }), fc.string({ unit: "binary" })),
        (env) => {
          assert.deepEqual(jsonOf({ env }, 0).env, JSON.parse(JSON.stringify(env)));
        },
      ),
    );
  });
});

test("sandboxIdOf() refuses what is no id", () => {
  assert.equal(sandboxIdOf("sbx_ord_0123456789abcdefghjk"), "sbx_ord_0123456789abcdefghjk");
  for (const id of ["", "sbx_ord_1", "sbx_ORD_0123456789abcdefghjk", "../../x", undefined]) {
    assert.throws(() => sandboxIdOf(id), /Invalid sandbox ID/);
  }
});
