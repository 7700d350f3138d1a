import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { Sandbox } from "./sandbox.ts";
import { FakeServer, ok, type Handlers } from "./testing/fake-server.ts";

/** A server whose `writeFile` answers when the stream has ended, with what came. */
function storing(stored: Buffer[]): Handlers {
  return {
    writeFile: async ({ content, contentStreamId }, client) => {
      if (typeof content === "string") stored.push(Buffer.from(content, "base64"));
      if (contentStreamId === undefined) return ok();
      const last = await Promise.race([
        client.next("$sandbox.stream.end"),
        client.next("$sandbox.stream.error"),
      ]);
      for (const { method, params } of client.received) {
        const isData =
          method === "$sandbox.stream.enqueue" && params["streamId"] === contentStreamId;
        if (isData) stored.push(Buffer.from(String(params["data"]), "base64"));
      }
      if (last.method.endsWith("end")) return ok();
      return { error: { constructorName: "Error", message: "an echo of the source's error" } };
    },
  };
}

suite("fs", () => {
  test("writes small content whole and large content as a stream", async () => {
    for (const size of [0, 5, 262_144, 262_145, 1_000_000]) {
      const stored: Buffer[] = [];
      await using server = await FakeServer.listen(storing(stored));
      await using sandbox = await Sandbox.create(server.options);
      const data = Uint8Array.from({ length: size }, (_, index) => index % 251);
      await sandbox.fs.writeFile("x", data, { mode: 0o600 });
      assert.ok(Buffer.concat(stored).equals(data));
      const call = server.clients[0]?.received.find(({ method }) => method === "writeFile");
      assert.deepEqual(call?.params["options"], { mode: 0o600 });
      assert.equal("contentStreamId" in (call?.params ?? {}), size > 262_144);
    }
  });

  test("writes what any source yields, and large texts in UTF-8", async () => {
    const stored: Buffer[] = [];
    await using server = await FakeServer.listen(storing(stored));
    await using sandbox = await Sandbox.create(server.options);
    await sandbox.fs.writeFile("x", new Blob(["blob "]).stream());
    stored.length = 0;
    await sandbox.fs.writeTextFile("x", ReadableStream.from(["é", "中"]));
    assert.equal(Buffer.concat(stored).toString(), "é中");
    stored.length = 0;
    await sandbox.fs.writeTextFile("x", "é".repeat(300_000));
    assert.equal(Buffer.concat(stored).toString(), "é".repeat(300_000));
  });

  test("a source that fails rejects with its own error", async () => {
    await using server = await FakeServer.listen(storing([]));
    await using sandbox = await Sandbox.create(server.options);
    const failure = new Error("my disk");
    const source = async function* (): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(1);
      throw failure;
    };
    await assert.rejects(sandbox.fs.writeFile("x", source()), failure);
  });

  test("a refusal lets the source go", async () => {
    const error = { constructorName: "PermissionDenied", message: "no", code: "EACCES" };
    await using server = await FakeServer.listen({ writeFile: () => ({ error }) });
    await using sandbox = await Sandbox.create(server.options);
    const cancelled = Promise.withResolvers<unknown>();
    const source = new ReadableStream<Uint8Array>({ cancel: cancelled.resolve });
    await assert.rejects(sandbox.fs.writeFile("/x", source), { code: "EACCES" });
    await cancelled.promise;
  });

  test("reads bytes as they are", async () => {
    await using server = await FakeServer.listen({
      readFile: () => ok(Buffer.from([0, 255, 10, 13]).toString("base64")),
    });
    await using sandbox = await Sandbox.create(server.options);
    assert.deepEqual(await sandbox.fs.readFile("x"), new Uint8Array([0, 255, 10, 13]));
  });

  test("gives dates for times and entries for directories", async () => {
    const time = "2026-01-02T03:04:05.678Z";
    const times = { mtime: time, atime: time, birthtime: time, ctime: time };
    const kinds = { isFile: true, isDirectory: false, isSymlink: false };
    const others = { isBlockDevice: false, isCharDevice: false, isFifo: false, isSocket: false };
    const numbers = { dev: 1, ino: 2, nlink: 1, uid: 3, gid: 4, rdev: 0, blksize: 4096, blocks: 8 };
    await using server = await FakeServer.listen({
      stat: () => ok({ ...kinds, ...others, ...times, ...numbers, size: 5, mode: 0o100644 }),
      readDir: () => ok([{ name: "a", ...kinds }]),
    });
    await using sandbox = await Sandbox.create(server.options);
    const info = await sandbox.fs.stat(new URL("file:///a%20b"));
    assert.deepEqual(info.mtime, new Date(time));
    assert.equal(server.clients[0]?.received[0]?.params["path"], "/a b");
    assert.deepEqual(await Array.fromAsync(sandbox.fs.readDir(".")), [{ name: "a", ...kinds }]);
  });

  test("says which class of Deno a failure has", async () => {
    const error = { constructorName: "NotFound", message: "no such file", code: "ENOENT" };
    await using server = await FakeServer.listen({ readTextFile: () => ({ error }) });
    await using sandbox = await Sandbox.create(server.options);
    await assert.rejects(sandbox.fs.readTextFile("x"), { name: "NotFound", code: "ENOENT" });
    await assert.rejects(sandbox.fs.readTextFile(new URL("http://x/")), { code: "INVALID_OPTION" });
  });

  for (const [method, call, expected] of [
    [
      "mkdir",
      (s: Sandbox) => s.fs.mkdir("d", { recursive: true }),
      { path: "d", options: { recursive: true } },
    ],
    ["remove", (s: Sandbox) => s.fs.remove("d"), { path: "d", options: {} }],
    ["rename", (s: Sandbox) => s.fs.rename("a", "b"), { oldPath: "a", newPath: "b" }],
    ["chmod", (s: Sandbox) => s.fs.chmod("a", 0o755), { path: "a", mode: 0o755 }],
    ["copyFile", (s: Sandbox) => s.fs.copyFile("a", "b"), { fromPath: "a", toPath: "b" }],
    ["symlink", (s: Sandbox) => s.fs.symlink("a", "b"), { target: "a", path: "b", options: {} }],
    ["truncate", (s: Sandbox) => s.fs.truncate("a", 3), { name: "a", length: 3 }],
  ] as const) {
    test(`${method}() sends what the server reads`, async () => {
      await using server = await FakeServer.listen({ [method]: () => ok() });
      await using sandbox = await Sandbox.create(server.options);
      await call(sandbox);
      assert.deepEqual(server.clients[0]?.received[0]?.params, expected);
    });
  }
});
