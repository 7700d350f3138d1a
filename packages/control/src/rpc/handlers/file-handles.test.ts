import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { limits } from "@skerry/protocol";

import { startControl, type Fixture } from "../../testing/control-fixture.ts";
import { eventually } from "../../testing/eventually.ts";
import type { RpcClient } from "../../testing/rpc-client.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

async function open(client: RpcClient, path: string, options?: object): Promise<number> {
  const opened = (await client.call("open", { path, options })) as { fileHandleId: number };
  return opened.fileHandleId;
}

async function start(): Promise<{ fixture: Fixture; client: RpcClient } & AsyncDisposable> {
  const fixture = await startControl();
  const client = await fixture.create({ stop_at_ms: Date.now() + 60_000 });
  await client.call("writeTextFile", { path: "f", content: "hello world" });
  return { fixture, client, [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose]() };
}

suite("file handles", () => {
  test("read, seek and write where the file stands", async () => {
    await using started = await start();
    const { client } = started;
    const file = { fileHandleId: await open(client, "f", { read: true, write: true }) };
    assert.deepEqual(await client.call("fileRead", { ...file, length: 5 }), {
      data: base64("hello"),
    });
    const sought = await client.call("fileSeek", { ...file, offset: "-5", whence: 2 });
    assert.deepEqual(sought, { position: 6 });
    const written = await client.call("fileWrite", { ...file, data: base64("there") });
    assert.deepEqual(written, { bytesWritten: 5 });
    assert.deepEqual(await client.call("fileRead", { ...file, length: 5 }), { data: null });
    assert.equal(await client.call("readTextFile", { path: "f" }), "hello there");
  });

  test("writes that are not awaited land in their order", async () => {
    await using started = await start();
    const { client } = started;
    const file = { fileHandleId: await open(client, "f", { write: true, truncate: true }) };
    const texts = Array.from({ length: 50 }, (_, at) => `${at};`);
    await Promise.all(
      texts.map((text) => client.call("fileWrite", { ...file, data: base64(text) })),
    );
    assert.equal(await client.call("readTextFile", { path: "f" }), texts.join(""));
  });

  test("both names of the new length do", async () => {
    await using started = await start();
    const { client } = started;
    const file = { fileHandleId: await open(client, "f", { write: true }) };
    await client.call("fileTruncate", { ...file, size: 5 });
    assert.equal(await client.call("readTextFile", { path: "f" }), "hello");
    await client.call("fileTruncate", { ...file, len: 2 });
    assert.equal(await client.call("readTextFile", { path: "f" }), "he");
    await client.call("fileTruncate", file);
    assert.equal(await client.call("readTextFile", { path: "f" }), "");
  });

  test("a handle that is closed, or another connection's, is a bad resource", async () => {
    await using started = await start();
    const { client, fixture } = started;
    const file = { fileHandleId: await open(client, "f") };
    await using other = await fixture.connect(client.sandboxId);
    const theirs = await other.ask("fileStat", file);
    assert.equal(theirs.result?.error?.["constructorName"], "BadResource");
    await client.call("fileClose", file);
    for (const method of ["fileStat", "fileClose", "fileSync", "fileLock"]) {
      const { error } = (await client.ask(method, file)).result ?? {};
      assert.deepEqual(
        [error?.["constructorName"], error?.["code"]],
        ["BadResource", "EBADF"],
        method,
      );
    }
  });

  test("there is a limit", async () => {
    await using started = await start();
    const { client } = started;
    const opening = Array.from({ length: limits.fileHandlesMax }, () => open(client, "f"));
    await Promise.all(opening);
    const refused = await client.ask("open", { path: "f" });
    assert.equal(refused.error?.data?.["code"], "TOO_MANY_FILES");
  });

  test("with the connection its files close, and a lock that is waited for is given up", async () => {
    await using started = await start();
    const { client, fixture } = started;
    await open(client, "f");
    const file = { fileHandleId: await open(client, "f") };
    await client.call("fileLock", { ...file, exclusive: true });
    client.send("fileLock", { fileHandleId: await open(client, "f"), exclusive: true });
    await client.call("fileStat", file);
    const [machine] = fixture.host.machines.values();
    assert.equal(machine?.guest.handles.count, 3);
    await client[Symbol.asyncDispose]();
    await eventually(() => machine?.guest.handles.count === 0);
  });

  test("a file is streamed from an offset", async () => {
    await using started = await start();
    const { client } = started;
    const opened = (await client.call("openRead", { path: "f", offset: 6 })) as {
      readonly streamId: number;
      readonly info: { readonly size: number };
    };
    assert.equal(opened.info.size, 11);
    assert.equal((await client.output(opened.streamId)).toString(), "world");
  });
});
