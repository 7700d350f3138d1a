import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { limits, type SandboxError } from "@skerry/protocol";
import fc from "fast-check";

import { readCreateConfig, type CreateRules, type RegionHints } from "./create-config.ts";

const nowMs = 1_800_000_000_000;
const rules: CreateRules = {
  nowMs,
  lifetimeMaxMs: limits.lifetimeMaxMs,
  regions: ["ord", "ams"],
};
const nowhere: RegionHints = { host: undefined, region: undefined };
const read = (config: unknown, hints = nowhere) =>
  readCreateConfig(Buffer.from(JSON.stringify(config)).toString("base64"), hints, rules);

suite("the configuration of a new sandbox", () => {
  test("has defaults for all that is left out, or null as the Python client sends it", () => {
    const defaults = {
      ...{ region: "ord", memoryMiB: limits.memoryDefaultMiB, labels: {}, env: {} },
      ...{ stopAtMs: null, network: { kind: "open" }, secrets: [], port: null },
      ssh: false,
    };
    const nulls = { stop_at_ms: null, labels: null, allow_net: null, root: null, volumes: null };
    assert.deepEqual(readCreateConfig(undefined, nowhere, rules), defaults);
    assert.deepEqual(read({}), defaults);
    assert.deepEqual(read({ ...nulls, memory_mb: 1280, debug: false }), defaults);
    assert.deepEqual(read({ volumes: [], secrets: {} }), defaults);
  });

  test("reads which hosts may be reached: all when it does not say, none when the list is empty", () => {
    assert.deepEqual(read({ allow_net: [] }).network, { kind: "filtered", rules: [] });
    assert.deepEqual(read({ allow_net: ["a.example:443"] }).network, {
      kind: "filtered",
      rules: [{ kind: "name", name: "a.example", port: 443 }],
    });
  });

  test("has a placeholder in its environment for each secret, and its hosts with a port", () => {
    const secret = { hosts: ["API.example", "*.b.example:8443"], value: "sk-1" };
    const { env, secrets } = read({ env: { A: "1" }, secrets: { KEY: secret } });
    const [made] = secrets;
    assert.match(made?.placeholder ?? "", /^DENO_SECRET_PLACEHOLDER_[0-9a-f]{64}$/);
    assert.deepEqual(env, { A: "1", KEY: made?.placeholder });
    assert.deepEqual(made?.hosts, [
      { kind: "name", name: "api.example", port: 443 },
      { kind: "below", name: "b.example", port: 8443 },
    ]);
    assert.deepEqual([made?.value, made?.in], ["sk-1", ["header"]]);
    const [other] = read({ secrets: { KEY: secret } }).secrets;
    assert.notEqual(other?.placeholder, made?.placeholder);
  });

  for (const [what, secret] of [
    ["no value", { hosts: ["a.example"] }],
    ["an empty value", { hosts: ["a.example"], value: "" }],
    ["a line break in its value", { hosts: ["a.example"], value: "hush-hush\n" }],
    ["a space before its value", { hosts: ["a.example"], value: " hush-hush" }],
    ["a value that is too long", { hosts: ["a.example"], value: "hush-hush".repeat(1_000) }],
    ["no hosts", { hosts: [], value: "hush-hush" }],
    ["a host that is none", { hosts: ["a b"], value: "hush-hush" }],
    ["a host that no sandbox reaches", { hosts: ["10.0.0.1"], value: "hush-hush" }],
    ["too many hosts", { hosts: Array(65).fill("a.example"), value: "hush-hush" }],
    ["a part of a request that is none", { hosts: ["a.example"], value: "hush-hush", in: ["x"] }],
    ["no part of a request", { hosts: ["a.example"], value: "hush-hush", in: [] }],
  ] as const) {
    test(`refuses a secret with ${what}, and does not say its value`, () => {
      assert.throws(
        () => read({ secrets: { KEY: secret } }),
        (error: SandboxError) => {
          assert.equal(error.code, "INVALID_CONFIG");
          assert.match(JSON.stringify(error.toBody()), /KEY/);
          assert.doesNotMatch(JSON.stringify([error.toBody(), error.stack]), /hush/);
          return true;
        },
      );
    });
  }

  for (const [what, config] of [
    ["without a name", { "": { hosts: ["a.example"], value: "v" } }],
    ["with a name that no variable has", { "A-B": { hosts: ["a.example"], value: "v" } }],
  ] as const) {
    test(`refuses a secret ${what}`, () => {
      assert.throws(() => read({ secrets: config }), { code: "INVALID_CONFIG" });
    });
  }

  test("refuses a secret that is a variable as well, and more than there may be", () => {
    const KEY = { hosts: ["a.example"], value: "v" };
    assert.throws(() => read({ env: { KEY: "1" }, secrets: { KEY } }), { code: "INVALID_CONFIG" });
    const many = Array.from({ length: 65 }, (_, n) => [`K${n}`, KEY]);
    assert.throws(() => read({ secrets: Object.fromEntries(many) }), { code: "INVALID_CONFIG" });
  });

  for (const [name, config, code] of [
    ["no object", 7, "INVALID_CONFIG"],
    ["a list", [], "INVALID_CONFIG"],
    ["memory that is no number", { memory_mb: "1280" }, "INVALID_CONFIG"],
    ["too little memory", { memory_mb: 767 }, "MEMORY_OUT_OF_RANGE"],
    ["too much memory", { memory_mb: 4097 }, "MEMORY_OUT_OF_RANGE"],
    ["a part of a MiB", { memory_mb: 1000.5 }, "MEMORY_OUT_OF_RANGE"],
    ["a time in the past", { stop_at_ms: nowMs - 1 }, "LIFETIME_OUT_OF_RANGE"],
    ["a time too far", { stop_at_ms: nowMs + 31 * 60_000 }, "LIFETIME_OUT_OF_RANGE"],
    ["a timeout too long", { timeout: "1h" }, "LIFETIME_OUT_OF_RANGE"],
    ["a timeout of nothing", { timeout: "0s" }, "LIFETIME_OUT_OF_RANGE"],
    ["a timeout that is no time", { timeout: "soon" }, "INVALID_CONFIG"],
    ["six labels", { labels: { a: "", b: "", c: "", d: "", e: "", f: "" } }, "INVALID_LABELS"],
    ["a label key too long", { labels: { ["é".repeat(33)]: "" } }, "INVALID_LABELS"],
    ["a label value too long", { labels: { a: "é".repeat(65) } }, "INVALID_LABELS"],
    ["an empty label key", { labels: { "": "x" } }, "INVALID_LABELS"],
    ["a label that is no text", { labels: { a: 1 } }, "INVALID_CONFIG"],
    ["an unknown region", { region: "xyz" }, "INVALID_CONFIG"],
    ["a variable without a name", { env: { "": "x" } }, "INVALID_CONFIG"],
    ["a value with NUL", { env: { A: "\0" } }, "INVALID_CONFIG"],
    ["a root", { root: { volume: "v" } }, "NOT_IMPLEMENTED"],
    ["volumes", { volumes: [{ volume: "v", path: "/data" }] }, "NOT_IMPLEMENTED"],
    ["volumes as Python sends them", { volumes: { "/data": "v" } }, "NOT_IMPLEMENTED"],
    ["a host that is none", { allow_net: ["https://example.com"] }, "INVALID_CONFIG"],
    ["a host that no sandbox may reach", { allow_net: ["169.254.169.254"] }, "INVALID_CONFIG"],
    ["too many hosts", { allow_net: Array(10_000).fill("a.example") }, "INVALID_CONFIG"],
    ["hosts that are no list", { allow_net: "example.com" }, "INVALID_CONFIG"],
    ["a port that is none", { port: 0 }, "INVALID_CONFIG"],
  ] as const) {
    test(`with ${name} is refused as ${code}`, () => {
      assert.throws(
        () => read(config),
        (error: SandboxError) => error.code === code && !error.message.includes("hush"),
      );
    });
  }

  test("names the option that is not there yet", () => {
    assert.throws(
      () => read({ root: { volume: "v" }, volumes: { "/d": "w" } }),
      /option root, volumes/,
    );
  });

  test("takes lifetimes in both clients' forms", () => {
    assert.equal(read({ stop_at_ms: nowMs + 300_000 }).stopAtMs, nowMs + 300_000);
    assert.equal(read({ timeout: "5m" }).stopAtMs, nowMs + 300_000);
    assert.equal(read({ lifetime: "90s" }).stopAtMs, nowMs + 90_000);
    assert.equal(read({ timeout: "session" }).stopAtMs, null);
  });

  test("gives a client whose clock is a little ahead the longest lifetime", () => {
    const latest = nowMs + limits.lifetimeMaxMs;
    assert.equal(read({ stop_at_ms: latest + 3_000 }).stopAtMs, latest);
  });

  test("finds the region in the host name, then the header, then itself", () => {
    const of = (host?: string, region?: string, config = {}) =>
      read(config, { host, region }).region;
    assert.equal(of("ams.example.com:8420", "ord"), "ams");
    assert.equal(of("localhost:8420", "ams"), "ams");
    assert.equal(of("127.0.0.1", undefined, { region: "ams" }), "ams");
    assert.equal(of("xyz.example.com"), "ord");
  });

  test("is the same text in Latin-1 and in UTF-8", () => {
    const config = JSON.stringify({ labels: { a: "Grüße" } });
    for (const encoding of ["latin1", "utf8"] as const) {
      const header = Buffer.from(config, encoding).toString("base64");
      assert.deepEqual(readCreateConfig(header, nowhere, rules).labels, { a: "Grüße" });
    }
  });

  test("is a spec or a typed refusal, whatever arrives", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json().map(btoaOrText)), (header) => {
        try {
          readCreateConfig(header, nowhere, rules);
        } catch (error) {
          assert.equal((error as Error).name, "SandboxError");
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

function btoaOrText(text: string): string {
  return Buffer.from(text).toString("base64");
}
