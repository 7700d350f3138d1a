import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";

import { Sandbox, type ChildProcess } from "@skerry/sdk";

import { evil, good, startInternet } from "../support/internet.ts";
import { startServer, type TestServer } from "../support/server.ts";

const held = new AsyncDisposableStack();
let server: TestServer;
let sandbox: Sandbox;

before(async () => {
  const { names } = held.use(await startInternet());
  server = held.use(await startServer({ args: ["--name-server", names.address] }));
  sandbox = held.use(await Sandbox.create({ endpoint: server.url, token: server.token }));
});
after(() => held.disposeAsync());

async function reach(host: string): Promise<string> {
  return await sandbox.sh`curl -sk -m 5 https://${host}/`.noThrow().stderr("null").text();
}

/** A connection that goes on sending; it prints when it is there, and again when it is cut. */
async function hold(host: string): Promise<{ readonly ended: Promise<string> } & Disposable> {
  const code = `
import socket, time
s = socket.create_connection(("${host}", 80), 5)
s.send(b"GET / HTTP/1.1\\r\\n")
print("open", flush=True)
try:
    while True: s.send(b"x-more: 1\\r\\n"); time.sleep(0.05)
except OSError: print("cut", flush=True)
`;
  const options = { args: ["-c", code], stdout: "piped", stderr: "null" } as const;
  const child: ChildProcess = await sandbox.spawn("python3", options);
  const reader = child.stdout?.pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await reader?.read())?.value, "open\n");
  const ended = (async () => (await reader?.read())?.value ?? "")();
  return { ended, [Symbol.dispose]: () => void child.kill("SIGKILL") };
}

suite("the policy of a running sandbox", { timeout: 400_000 }, () => {
  test("is open until it is replaced", async () => {
    assert.deepEqual(await sandbox.network.get(), { allowNet: null });
    assert.equal(await reach("evil.test"), `reached ${evil}`);
  });

  test("narrows at once, and cuts what may not go on", async () => {
    using before = await hold("evil.test");
    await sandbox.network.set({ allowNet: ["good.test", "evil.test:22"] });
    assert.deepEqual(await sandbox.network.get(), { allowNet: ["good.test", "evil.test:22"] });
    assert.equal(await before.ended, "cut\n");
    assert.equal(await reach("good.test"), `reached ${good}`);
    assert.equal(await reach("evil.test"), "");
    assert.equal(await reach(evil), "");
  });

  test("keeps connections that are still allowed, and cuts the others", async () => {
    using kept = await hold("good.test");
    await sandbox.network.set({ allowNet: ["*.test"] });
    using other = await hold("evil.test");
    await sandbox.network.set({ allowNet: ["good.test"] });
    assert.equal(await other.ended, "cut\n");
    assert.equal(await Promise.race([kept.ended, Promise.resolve("open")]), "open");
    await sandbox.network.set({ allowNet: [] });
    assert.equal(await kept.ended, "cut\n");
    assert.equal(await reach("good.test"), "");
  });

  test("is not changed by one that makes no sense", async () => {
    const wrong = sandbox.network.set({ allowNet: ["good.test", "169.254.169.254"] });
    await assert.rejects(wrong, { code: "INVALID_REQUEST" });
    assert.deepEqual(await sandbox.network.get(), { allowNet: [] });
  });

  test("widens again", async () => {
    await sandbox.network.set({ allowNet: null });
    assert.equal(await reach("evil.test"), `reached ${evil}`);
  });
});
