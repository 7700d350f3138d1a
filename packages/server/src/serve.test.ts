import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";

import { FakeHost, RpcClient } from "@skerry/control/testing";
import { Endpoint } from "@skerry/protocol";
import { pino } from "pino";

import { readConfig } from "./config.ts";
import type { OwnHost } from "./machines.ts";
import { serve } from "./serve.ts";

const never = new AbortController().signal;

function makeHome(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "skerry-serve-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

async function start(home: string, host: OwnHost = new FakeHost(), signal = never) {
  const config = readConfig(
    ["--home", home, "--listen", "127.0.0.1:0", "--https", "127.0.0.1:0", "--ssh", "127.0.0.1:0"],
    {},
  );
  assert.ok(config !== null);
  const log = pino({ level: "silent" });
  return await serve(config, signal, { log, openHost: async () => host });
}

suite("a server", () => {
  test("says where it is, to its owner alone, for as long as it runs", async () => {
    using home = makeHome();
    const file = join(home.path, "run", "endpoint.json");
    {
      await using server = await start(home.path);
      const endpoint = Endpoint.parse(JSON.parse(readFileSync(file, "utf8")));
      assert.equal(endpoint.url, server.url);
      assert.equal(endpoint.token, server.token);
      assert.equal(endpoint.pid, process.pid);
      assert.deepEqual(endpoint.ingress, server.ingress);
      assert.match(endpoint.ingress?.apiUrl ?? "", /^https:\/\/api\.skerry\.localhost:\d+$/);
      const { caFile, bundleFile } = endpoint.ingress ?? {};
      assert.ok(existsSync(caFile ?? "") && existsSync(bundleFile ?? ""));
      assert.equal(statSync(file).mode & 0o777, 0o600);
      assert.equal(statSync(join(home.path, "run")).mode & 0o777, 0o700);
      assert.equal(statSync(join(home.path, "control", "control.db")).mode & 0o777, 0o600);
      const headers = { authorization: `Bearer ${endpoint.token}` };
      assert.equal((await fetch(`${server.url}/api/v1/status`, { headers })).status, 200);
    }
    assert.ok(!existsSync(file));
  });

  test("keeps its token over a restart", async () => {
    using home = makeHome();
    const tokens: string[] = [];
    for (let round = 0; round < 2; round++) {
      await using server = await start(home.path);
      tokens.push(server.token);
    }
    assert.equal(tokens[0], tokens[1]);
  });

  test("is alone in its home, and says who else is there", async () => {
    using home = makeHome();
    await using server = await start(home.path);
    await assert.rejects(start(home.path), (error: Error) => error.message.includes(server.url));
    assert.ok(existsSync(join(home.path, "run", "endpoint.json")));
  });

  test("ends its sandboxes and its machines when it is closed", async () => {
    using home = makeHome();
    const host = new FakeHost();
    const server = await start(home.path, host);
    const authorization = `Bearer ${server.token}`;
    const url = `${server.url.replace("http", "ws")}/api/v3/sandboxes/create`;
    const client = await RpcClient.open(url, { authorization });
    assert.equal(host.machines.size, 1);
    await server.close();
    assert.equal((await client.closed).code, 1001);
    assert.equal(host.machines.size, 0);
  });

  test("leaves sandboxes with a duration to the next server when it is told to", async () => {
    using home = makeHome();
    const config = readConfig(
      [
        "--home",
        home.path,
        "--listen",
        "127.0.0.1:0",
        "--https",
        "off",
        "--ssh",
        "off",
        "--keep-sandboxes",
      ],
      {},
    );
    assert.ok(config !== null);
    const log = pino({ level: "silent" });
    let kept: ReadonlySet<string> = new Set();
    const host = Object.assign(new FakeHost(), {
      close: async (keep: ReadonlySet<string>) => void (kept = keep),
    });
    const server = await serve(config, never, { log, openHost: async () => host });
    const url = `${server.url.replace("http", "ws")}/api/v3/sandboxes/create`;
    const client = await RpcClient.open(url, {
      authorization: `Bearer ${server.token}`,
      "x-deno-sandbox-config": btoa(JSON.stringify({ timeout: "5m" })),
    });
    await server.close();
    assert.equal((await client.closed).code, 1012);
    assert.deepEqual([...kept], [client.sandboxId]);
    const next = new FakeHost();
    for (const machine of host.machines.values()) next.left.set(machine.id, machine);
    await using again = await start(home.path, next);
    assert.equal(again.hostStatus().machines, 1);
  });

  test("is quick to start while its machines warm up, and stops that when it is closed", async () => {
    using home = makeHome();
    const host = Object.assign(new FakeHost(), {
      warmUp: (signal: AbortSignal) =>
        new Promise<void>((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        }),
    });
    const server = await start(home.path, host);
    const warm = server.warm(never);
    await Promise.all([assert.rejects(warm), server.close()]);
  });

  test("leaves nothing behind when its machines cannot be opened", async () => {
    using home = makeHome();
    const config = readConfig(
      ["--home", home.path, "--listen", "127.0.0.1:0", "--https", "off", "--ssh", "off"],
      {},
    );
    assert.ok(config !== null);
    const log = pino({ level: "silent" });
    const openHost = async (): Promise<OwnHost> => Promise.reject(new Error("no QEMU"));
    await assert.rejects(serve(config, never, { log, openHost }), /no QEMU/);
    assert.ok(!existsSync(join(home.path, "run", "endpoint.json")));
    await using server = await start(home.path); // the lock is free
    assert.ok(server.url);
  });

  test("stops in the middle of its start when it is told to", async () => {
    using home = makeHome();
    const controller = new AbortController();
    const host = new FakeHost();
    const adopt = host.adopt.bind(host);
    host.adopt = async (wanted) => {
      controller.abort();
      return await adopt(wanted);
    };
    await assert.rejects(start(home.path, host, controller.signal), { name: "AbortError" });
    await using server = await start(home.path);
    assert.ok(server.url);
  });

  test("says which address it cannot take", async () => {
    using home = makeHome();
    using other = makeHome();
    await using server = await start(home.path);
    const { host } = new URL(server.url);
    const config = readConfig(
      ["--home", other.path, "--listen", host, "--https", "off", "--ssh", "off"],
      {},
    );
    assert.ok(config !== null);
    const log = pino({ level: "silent" });
    const openHost = async (): Promise<OwnHost> => new FakeHost();
    await assert.rejects(serve(config, never, { log, openHost }), { code: "EADDRINUSE" });
  });
});
