import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";

import { Sandbox } from "@deno/sandbox";

import { useServer } from "../support/official.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let sandbox: Sandbox;

before(async () => {
  server = await startServer();
  useServer(server);
  sandbox = await Sandbox.create();
});
after(async () => {
  await sandbox.close();
  await server[Symbol.asyncDispose]();
});

const everyByte = new Uint8Array(256 * 1024).map((_, i) => i % 256);

suite("fs", { timeout: 400_000 }, () => {
  test("writes and reads text, relative to the home directory", async () => {
    await sandbox.fs.writeTextFile("note.txt", "naïve — ✓\n");
    assert.equal(await sandbox.fs.readTextFile("/home/sandbox/note.txt"), "naïve — ✓\n");
    assert.equal(await sandbox.fs.readTextFile("/home/app/note.txt"), "naïve — ✓\n");
  });

  test("writes and reads bytes exactly", async () => {
    await sandbox.fs.writeFile("bytes.bin", everyByte);
    assert.deepEqual(await sandbox.fs.readFile("bytes.bin"), everyByte);
  });

  test("writes a stream", async () => {
    const parts = [everyByte, everyByte.slice(0, 10), everyByte];
    await sandbox.fs.writeFile("stream.bin", ReadableStream.from(parts));
    assert.deepEqual(await sandbox.fs.readFile("stream.bin"), new Uint8Array(Buffer.concat(parts)));
  });

  test("appends, and creates only what is new", async () => {
    await sandbox.fs.writeTextFile("log", "one\n");
    await sandbox.fs.writeTextFile("log", "two\n", { append: true });
    assert.equal(await sandbox.fs.readTextFile("log"), "one\ntwo\n");
    await assert.rejects(sandbox.fs.writeTextFile("log", "", { createNew: true }), {
      code: "EEXIST",
    });
    await assert.rejects(sandbox.fs.writeTextFile("absent", "", { create: false }), {
      code: "ENOENT",
    });
  });

  test("sets the mode of a new file", async () => {
    await sandbox.fs.writeTextFile("script.sh", "#!/bin/sh\necho ran\n", { mode: 0o755 });
    assert.equal(await sandbox.sh`./script.sh`.text(), "ran\n");
    await sandbox.fs.chmod("script.sh", 0o600);
    assert.equal((await sandbox.fs.stat("script.sh")).mode! & 0o777, 0o600);
  });

  test("makes, lists, renames and removes directories", async () => {
    await sandbox.fs.mkdir("tree/deep/er", { recursive: true });
    await sandbox.fs.writeTextFile("tree/file", "x");
    await sandbox.fs.symlink("file", "tree/link");
    const entries = await Array.fromAsync(sandbox.fs.readDir("tree"));
    const kinds = entries.map((entry) => [
      entry.name,
      entry.isFile ? "file" : entry.isDirectory ? "directory" : entry.isSymlink ? "link" : "?",
    ]);
    assert.deepEqual(
      kinds.toSorted(([a = ""], [b = ""]) => a.localeCompare(b)),
      [
        ["deep", "directory"],
        ["file", "file"],
        ["link", "link"],
      ],
    );
    await sandbox.fs.rename("tree", "wood");
    await assert.rejects(sandbox.fs.stat("tree"), { code: "ENOENT" });
    await assert.rejects(sandbox.fs.remove("wood"), { code: "ENOTEMPTY" });
    await sandbox.fs.remove("wood", { recursive: true });
    await assert.rejects(sandbox.fs.mkdir("/tmp"), { code: "EEXIST" });
  });

  test("tells about files and links", async () => {
    await sandbox.fs.writeTextFile("target", "12345");
    await sandbox.fs.symlink("target", "pointer");
    const [file, link] = [await sandbox.fs.stat("pointer"), await sandbox.fs.lstat("pointer")];
    assert.deepEqual([file.isFile, file.isSymlink, file.size], [true, false, 5]);
    assert.deepEqual([link.isFile, link.isSymlink], [false, true]);
    assert.ok(Math.abs(file.mtime!.getTime() - Date.now()) < 60_000, "the clock of the machine");
    assert.equal(await sandbox.fs.readLink("pointer"), "target");
    assert.equal(await sandbox.fs.realPath("pointer"), "/home/sandbox/target");
  });

  test("copies and truncates", async () => {
    await sandbox.fs.writeTextFile("original", "0123456789");
    await sandbox.fs.copyFile("original", "copy");
    await sandbox.fs.truncate("copy", 4);
    assert.equal(await sandbox.fs.readTextFile("copy"), "0123");
    assert.equal(await sandbox.fs.readTextFile("original"), "0123456789");
  });

  test("makes temporary files and directories", async () => {
    const file = await sandbox.fs.makeTempFile({ prefix: "a-", suffix: ".txt" });
    assert.match(file, /^\/tmp\/a-.+\.txt$/);
    const directory = await sandbox.fs.makeTempDir({ dir: "/home/sandbox" });
    assert.ok((await sandbox.fs.stat(directory)).isDirectory);
  });

  const refusals = [
    ["a file that is not there", () => sandbox.fs.readTextFile("nope"), "ENOENT"],
    ["a directory as a file", () => sandbox.fs.readFile("/tmp"), "EISDIR"],
    ["what belongs to root", () => sandbox.fs.writeTextFile("/etc/passwd", ""), "EACCES"],
    ["a file as a directory", () => sandbox.fs.readTextFile("/etc/passwd/x"), "ENOTDIR"],
  ] as const;
  for (const [name, attempt, code] of refusals) {
    test(`refuses ${name} with ${code}`, async () => {
      await assert.rejects(attempt(), { code });
    });
  }

  test("throws Deno's own error classes", async () => {
    const error: unknown = await sandbox.fs.stat("nope").catch((thrown: unknown) => thrown);
    assert.ok(error instanceof Error);
    assert.equal(error.constructor.name, "NotFound");
    assert.match(error.message, /No such file or directory \(os error 2\).*'nope'/);
  });

  test("aborts a read", async () => {
    const abort = new AbortController();
    await sandbox.sh`head -c 50000000 /dev/zero > large`;
    const reading = sandbox.fs.readFile("large", { signal: abort.signal });
    abort.abort();
    await assert.rejects(reading, { name: "AbortError" });
  });
});
