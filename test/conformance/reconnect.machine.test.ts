import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, suite, test } from "node:test";

import { Sandbox } from "@skerry/sdk";

import { startCuttingProxy, type CuttingProxy } from "../support/cutting-proxy.ts";
import { eventually } from "../support/eventually.ts";
import { collect } from "../support/official.ts";
import { startServer, type TestServer } from "../support/server.ts";

const MiB = 1_048_576;

let server: TestServer;
let proxy: CuttingProxy;
let sandbox: Sandbox;

before(async () => {
  server = await startServer();
  proxy = await startCuttingProxy(server.url);
  const { token } = server;
  sandbox = await Sandbox.create({ endpoint: proxy.url, token, lifetime: "10m" });
});
after(async () => {
  await sandbox.kill();
  await proxy[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

suite("a connection that breaks", { timeout: 400_000 }, () => {
  test("loses and repeats no byte of what a command writes, however often it breaks", async () => {
    const lines = 1_500_000;
    const child = await sandbox.spawn("seq", {
      ...{ args: [String(lines)], stdout: "piped", stderr: "piped" },
    });
    proxy.cutEvery(2 * MiB);
    const { status, stdout } = await child.output();
    proxy.cutEvery(Number.POSITIVE_INFINITY);
    assert.equal(status.code, 0);
    const expected = Buffer.from(Array.from({ length: lines }, (_, i) => `${i + 1}\n`).join(""));
    assert.equal(stdout?.length, expected.length);
    assert.equal(sha256(stdout ?? new Uint8Array()), sha256(expected));
    assert.ok(proxy.cuts() >= 3, `${proxy.cuts()} cuts`);
  });

  test("leaves a command running, and its end is known when there is a way again", async () => {
    const script = "read -r _ < /tmp/go; echo done > /tmp/done; echo out; exit 7";
    await sandbox.sh`mkfifo /tmp/go`;
    const child = await sandbox.spawn("bash", {
      ...{ args: ["-c", script], stdout: "piped", stderr: "null" },
    });
    proxy.isUp = false;
    proxy.cut();
    const other = await Sandbox.connect(sandbox.id, { endpoint: server.url, token: server.token });
    await other.sh`echo > /tmp/go`; // which waits until the command reads
    await eventually("the command has gone on", async () => {
      return (await other.sh`cat /tmp/done`.noThrow().text()) === "done\n";
    });
    await other.close();
    proxy.isUp = true;
    const { status, stdoutText } = await child.output();
    assert.equal(status.code, 7);
    assert.equal(stdoutText, "out\n");
  });

  test("fails the calls that were on their way, and the next one works", async () => {
    const listener = await sandbox.listen({ port: 0 });
    const accepting = listener.accept(); // nobody connects
    const waiting = assert.rejects(accepting, { code: "CONNECTION_CLOSED" });
    await sandbox.fs.stat("/tmp");
    proxy.cut();
    await waiting;
    assert.equal(await sandbox.sh`echo back`.text(), "back\n");
  });
});

suite("bytes in binary messages", { timeout: 400_000 }, () => {
  const content = Buffer.from(Array.from({ length: 4 * MiB }, (_, i) => (i * 7) % 253));
  const copies = 16;
  const whole = createHash("sha256");
  for (let i = 0; i < copies; i++) whole.update(content);
  const expected = whole.digest("hex");

  test("carry a great file in and out, byte for byte", async () => {
    const source = ReadableStream.from(Array.from({ length: copies }, () => content));
    await sandbox.fs.writeFile("great.bin", source);
    assert.match(await sandbox.sh`sha256sum great.bin`.text(), new RegExp(`^${expected}`));
    const hash = createHash("sha256");
    await using file = await sandbox.fs.open("great.bin");
    for await (const chunk of file.readable) hash.update(chunk);
    assert.equal(hash.digest("hex"), expected);
    const { content: bytes } = await sandbox.fs.openRead("great.bin");
    assert.equal(sha256(await collect(bytes)), expected);
  });

  test("of a stream that nobody reads hold up nothing else", async () => {
    await using idle = await sandbox.spawn("cat", {
      ...{ args: ["/dev/zero"], stdout: "piped", stderr: "null" },
    });
    const child = await sandbox.spawn("cat", {
      ...{ args: ["great.bin"], stdout: "piped", stderr: "null" },
    });
    const { stdout } = await child.output();
    assert.equal(sha256(stdout ?? new Uint8Array()), expected);
    assert.notEqual(idle.stdout, null);
  });
});
