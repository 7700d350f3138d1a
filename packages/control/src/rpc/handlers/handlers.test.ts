import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { limits, sandboxMethods } from "@skerry/protocol";

import { startControl } from "../../testing/control-fixture.ts";
import { isOf } from "../../testing/rpc-client.ts";
import { handlers } from "./handlers.ts";

const MiB = 1_048_576;
const base64 = (text: string) => Buffer.from(text).toString("base64");

suite("files", () => {
  test("are written and read as bytes and as text", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, at) => (at * 7) % 256));
    const content = bytes.toString("base64");
    assert.equal(await client.call("writeFile", { path: "/a", content }), null);
    assert.equal(await client.call("readFile", { path: "/a" }), content);
    await client.call("writeTextFile", { path: "/t", content: "héllo\n" });
    assert.equal(await client.call("readTextFile", { path: "/t" }), "héllo\n");
    await client.call("writeTextFile", { path: "/t", content: "more", options: { append: true } });
    assert.equal(await client.call("readTextFile", { path: "/t" }), "héllo\nmore");
    await client.call("writeFile", { path: "/empty", content: "" });
    assert.equal(await client.call("readFile", { path: "/empty" }), "");
  });

  test("that are not UTF-8 read as text with U+FFFD, a byte order mark and all", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const content = Buffer.from([0xef, 0xbb, 0xbf, 0x61, 0xff, 0x62]).toString("base64");
    await client.call("writeFile", { path: "/x", content });
    assert.equal(await client.call("readTextFile", { path: "/x" }), "\uFEFFa\uFFFDb");
  });

  test("are written from a stream, even one that began before the call", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const contentStreamId = client.stream(Buffer.alloc(100_000, "a"), Buffer.from("end"));
    await client.call("writeFile", { path: "/s", contentStreamId });
    const text = await client.call("readTextFile", { path: "/s" });
    assert.equal(text, `${"a".repeat(100_000)}end`);
    await client.call("writeTextFile", { path: "/s", contentStreamId: client.stream() });
    assert.equal(await client.call("readTextFile", { path: "/s" }), "");
  });

  test("fail with the client's error when it fails their stream", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const contentStreamId = client.startStream();
    const writing = client.ask("writeFile", { path: "/s", contentStreamId });
    const error = { constructorName: "RangeError", message: "my source broke" };
    client.notify("$sandbox.stream.error", { streamId: contentStreamId, error });
    const { result } = await writing;
    assert.equal(result?.error?.["constructorName"], "RangeError");
    assert.equal(result?.error?.["message"], "my source broke");
  });

  test("tell the client to stop sending when they cannot be written", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const contentStreamId = client.startStream();
    const { result } = await client.ask("writeFile", { path: "/missing/x", contentStreamId });
    assert.equal(result?.error?.["code"], "ENOENT");
    await client.next(isOf(contentStreamId, "cancel"));
  });

  test("that are too great for one message are refused with advice", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const big = Buffer.alloc(limits.readFileBytesMax + 1);
    server.host.machine.guest.files.write({ path: "/big" }, big);
    const { result } = await client.ask("readFile", { path: "/big" });
    const { constructorName, code, message } = result?.error ?? {};
    assert.deepEqual([constructorName, code], ["RangeError", "EFBIG"]);
    assert.match(String(message), /more than 64 MiB.*stream/);
  });

  test("that are great are read one after the other, and all arrive", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const sizes = [9 * MiB, 1_000, 5 * MiB, 8 * MiB, 70_000];
    for (const [at, size] of sizes.entries()) {
      server.host.machine.guest.files.write({ path: `/${at}` }, Buffer.alloc(size, at));
    }
    const read = await Promise.all(
      sizes.map((_, at) => client.call("readFile", { path: `/${at}` })),
    );
    for (const [at, size] of sizes.entries()) {
      const bytes = Buffer.from(String(read[at]), "base64");
      assert.ok(bytes.equals(Buffer.alloc(size, at)));
    }
  });

  for (const method of ["readFile", "readTextFile"] as const) {
    test(`${method} is given up when the client aborts it`, async () => {
      await using server = await startControl();
      await using client = await server.create();
      const reading = client.ask(method, { path: "/dev/stuck", abortId: 0 });
      assert.equal(await client.call("abort", { abortId: 0 }), null);
      const { constructorName, name, code } = (await reading).result?.error ?? {};
      assert.deepEqual([constructorName, name, code], ["DOMException", "AbortError", null]);
      assert.equal(await client.call("abort", { abortId: 0 }), null); // it is over already
    });
  }

  test("writeFile is given up when the client aborts it", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const contentStreamId = client.startStream();
    const writing = client.ask("writeFile", { path: "/s", contentStreamId, abortId: 3 });
    await client.call("abort", { abortId: 3 });
    assert.equal((await writing).result?.error?.["name"], "AbortError");
    await client.next(isOf(contentStreamId, "cancel"));
  });

  for (const [name, method, params, className, code] of [
    ["that are not there", "readFile", { path: "/no" }, "NotFound", "ENOENT"],
    ["that are directories", "readTextFile", { path: "/dir" }, "IsADirectory", "EISDIR"],
    ["that are there already", "mkdir", { path: "/dir" }, "AlreadyExists", "EEXIST"],
    ["that are full", "remove", { path: "/dir" }, "Error", "ENOTEMPTY"],
  ] as const) {
    test(`${name} are Deno's ${className} with ${code}`, async () => {
      await using server = await startControl();
      await using client = await server.create();
      await client.call("mkdir", { path: "/dir" });
      await client.call("writeFile", { path: "/dir/x", content: base64("x") });
      const { error } = (await client.ask(method, params)).result ?? {};
      assert.deepEqual([error?.["constructorName"], error?.["code"]], [className, code]);
      assert.equal(error?.["stack"], null);
    });
  }

  test("are listed, described, moved, linked and removed", async () => {
    await using server = await startControl();
    await using client = await server.create();
    await client.call("mkdir", { path: "/d" });
    await client.call("mkdir", { path: "/d", options: { recursive: true } });
    await client.call("writeFile", { path: "/d/a", content: base64("abc"), options: null });
    await client.call("copyFile", { fromPath: "/d/a", toPath: "/d/b" });
    await client.call("rename", { oldPath: "/d/b", newPath: "/d/c" });
    await client.call("symlink", { target: "/d/a", path: "/d/l" });
    await client.call("chmod", { path: "/d/a", mode: 0o600 });
    await client.call("truncate", { name: "/d/a", length: null });
    const flags = { isFile: true, isDirectory: false, isSymlink: false };
    assert.deepEqual(await client.call("readDir", { path: "/d" }), [
      { name: "a", ...flags },
      { name: "c", ...flags },
      { name: "l", isFile: false, isDirectory: false, isSymlink: true },
    ]);
    assert.equal(await client.call("readLink", { path: "/d/l" }), "/d/a");
    assert.equal(await client.call("realPath", { path: "/d/a" }), "/d/a");
    const info = (await client.call("stat", { path: "/d/a" })) as Record<string, unknown>;
    const expected = { ...flags, size: 0, mode: 0o600, isFifo: false, isSocket: false };
    assert.partialDeepStrictEqual(info, {
      ...expected,
      ...{ mtime: "1970-01-01T00:00:01.000Z", atime: "1970-01-01T00:00:02.000Z" },
      ...{ ctime: "1970-01-01T00:00:03.000Z", birthtime: "1970-01-01T00:00:03.000Z" },
    });
    assert.deepEqual(await client.call("lstat", { path: "/d/a" }), info);
    await client.call("remove", { path: "/d", options: { recursive: true } });
    assert.equal((await client.ask("lstat", { path: "/d" })).result?.error?.["code"], "ENOENT");
  });

  test("are made for a while", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const options = { prefix: "p-", suffix: ".txt" };
    assert.match(String(await client.call("makeTempFile", { options })), /^\/tmp\/p-.*\.txt$/);
    assert.match(String(await client.call("makeTempDir", {})), /^\/tmp\//);
  });
});

suite("variables", () => {
  test("are set, read, listed and deleted", async () => {
    await using server = await startControl();
    await using client = await server.create({ env: { FIRST: "1" } });
    await client.call("envSet", { key: "SECOND", value: "2" });
    assert.equal(await client.call("envGet", { key: "FIRST" }), "1");
    assert.equal(await client.call("envDelete", { key: "FIRST" }), null);
    assert.equal(await client.call("envGet", { key: "FIRST" }), null);
    assert.deepEqual(await client.call("envToObject", {}), { HOME: "/home/sandbox", SECOND: "2" });
    const { result } = await client.ask("envSet", { key: "A=B", value: "" });
    assert.equal(result?.error?.["constructorName"], "TypeError");
  });
});

suite("processes", () => {
  const quiet = { stdout: "null", stderr: "null" } as const;

  test("get their arguments and variables, and no stdin unless it is named", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const cat = (await client.call("spawn", { ...quiet, command: "cat" })) as Record<
      string,
      number
    >;
    assert.deepEqual([cat["stdoutStreamId"], cat["stderrStreamId"]], [null, null]);
    await client.call("processWait", { pid: cat["pid"] ?? 0 });
    const params = { command: "env", env: { A: "1" }, clearEnv: true, stderr: "null" } as const;
    const spawned = await client.call("spawn", { ...params, stdout: "piped" });
    const { pid, stdoutStreamId } = spawned as Record<string, number>;
    await client.call("processWait", { pid: pid ?? 0 });
    assert.equal((await client.output(stdoutStreamId)).toString(), '{"A":"1"}');
  });

  test("can be waited for twice, after the end, and by another client", async () => {
    await using server = await startControl();
    await using client = await server.create();
    await using other = await server.connect(client.sandboxId);
    const params = { ...quiet, command: "exit", args: ["7"] };
    const { pid } = (await client.call("spawn", params)) as { pid: number };
    const status = { success: false, code: 7, signal: null, oom: null };
    for (const waiter of [client, client, other]) {
      assert.deepEqual(await waiter.call("processWait", { pid }), status);
    }
  });

  for (const [method, params] of [
    ["processWait", { pid: 1 }],
    ["processKill", { pid: 1 }],
  ] as const) {
    test(`that are not there are what clients take for ended ones: ${method}`, async () => {
      await using server = await startControl();
      await using client = await server.create();
      const { error } = (await client.ask(method, params)).result ?? {};
      assert.deepEqual([error?.["constructorName"], error?.["code"]], ["TypeError", "ENOENT"]);
    });
  }

  test("are killed with SIGTERM unless told otherwise, and an unknown signal is refused", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const { pid } = (await client.call("spawn", { ...quiet, command: "sleep" })) as { pid: number };
    const { result } = await client.ask("processKill", { pid, signal: "SIGNOPE" });
    assert.equal(result?.error?.["code"], "EINVAL");
    await client.call("processKill", { pid });
    const status = (await client.call("processWait", { pid })) as Record<string, unknown>;
    assert.deepEqual([status["code"], status["signal"]], [143, "SIGTERM"]);
  });

  test("that do not start are errors", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const { error } = (await client.ask("spawn", { ...quiet, command: "nope" })).result ?? {};
    assert.deepEqual([error?.["constructorName"], error?.["code"]], ["NotFound", "ENOENT"]);
  });
});

test("every method of the protocol has a handler", () => {
  const names = Object.keys(sandboxMethods);
  assert.deepEqual(Object.keys(handlers).toSorted(), names.toSorted());
});
