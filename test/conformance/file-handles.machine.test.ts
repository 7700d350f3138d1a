import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";

import { Sandbox, SeekMode } from "@deno/sandbox";

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

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const text = (read: Uint8Array): string => new TextDecoder().decode(read);

/** Paths that a search finds, in the order of their names. */
async function pathsOf(found: AsyncIterable<{ readonly path: string }>): Promise<string[]> {
  const paths: string[] = [];
  for await (const { path } of found) paths.push(path);
  return paths.toSorted();
}

suite("FsFile", { timeout: 400_000 }, () => {
  test("reads, writes, seeks, truncates and tells what it is", async () => {
    const file = await sandbox.fs.open("f", { read: true, write: true, create: true });
    assert.equal(await file.write(bytes("hello world")), 11);
    assert.equal(await file.seek(6, SeekMode.Start), 6);
    const buffer = new Uint8Array(100);
    assert.equal(await file.read(buffer), 5);
    assert.equal(text(buffer.subarray(0, 5)), "world");
    assert.equal(await file.read(buffer), null);
    assert.equal(await file.seek(-5n, SeekMode.End), 6);
    await file.truncate(8);
    await file.utime(new Date(1_000), new Date(2_000));
    await file.sync();
    await file.syncData();
    const info = await file.stat();
    assert.deepEqual([info.size, info.mtime?.getTime(), info.isFile], [8, 2_000, true]);
    await file.close();
    assert.equal(await sandbox.fs.readTextFile("f"), "hello wo");
    await assert.rejects(async () => await file.stat(), { code: "EBADF" });
  });

  test("streams both ways", async () => {
    const content = new Uint8Array(1_000_000).map((_, at) => at % 251);
    const target = await sandbox.fs.create("streamed");
    await ReadableStream.from([content.subarray(0, 7), content.subarray(7)]).pipeTo(
      target.writable,
    );
    const source = await sandbox.fs.open("streamed", { read: true });
    const chunks: Uint8Array[] = [];
    for await (const chunk of source.readable) chunks.push(chunk);
    assert.deepEqual(new Uint8Array(Buffer.concat(chunks)), content);
    await Promise.all([target.close(), source.close()]);
  });

  test("locks keep others out until they are given back", async () => {
    const one = await sandbox.fs.create("locked");
    const two = await sandbox.fs.open("locked", { read: true });
    await one.lock(true);
    let isLocked = false;
    const waiting = two.lock().then(() => (isLocked = true));
    await one.stat();
    assert.equal(isLocked, false);
    await one.unlock();
    await waiting;
    await Promise.all([one.close(), two.close()]);
  });

  test("a sparse file of 10 GiB is written and read at its end", async () => {
    const file = await sandbox.fs.open("sparse", { read: true, write: true, create: true });
    const end = 10 * 1024 ** 3;
    await file.seek(end, SeekMode.Start);
    await file.write(bytes("end"));
    await file.seek(-5, SeekMode.Current);
    const buffer = new Uint8Array(16);
    assert.equal(await file.read(buffer), 5);
    assert.equal(text(buffer.subarray(0, 5)), "\0\0end");
    const { size, blocks } = await file.stat();
    assert.equal(size, end + 3);
    assert.ok((blocks ?? 0) < 1_000, "it takes no room");
    await file.close();
    await sandbox.fs.remove("sparse");
  });
});

suite("the other calls on files", { timeout: 400_000 }, () => {
  test("link, utime, umask and chown", async () => {
    await sandbox.fs.writeTextFile("original", "x");
    await sandbox.fs.link("original", "second");
    assert.equal((await sandbox.fs.stat("second")).nlink, 2);
    await sandbox.fs.utime("second", 1_000, new Date(5_000));
    assert.equal((await sandbox.fs.stat("original")).mtime?.getTime(), 5_000);
    const before = await sandbox.fs.umask(0o077);
    assert.equal(before, 0o022);
    await sandbox.fs.writeTextFile("private", "x");
    assert.equal(await sandbox.fs.umask(before), 0o077);
    assert.equal((await sandbox.fs.stat("private")).mode! & 0o777, 0o600);
    await sandbox.fs.chown("private", null, 1000);
    await assert.rejects(sandbox.fs.chown("private", 0, null), { code: "EPERM" });
  });
});

suite("walk and expandGlob", { timeout: 400_000 }, () => {
  before(async () => {
    const made =
      await sandbox.sh`mkdir -p tree/src/deep && cd tree && touch a.ts b.js src/c.ts src/deep/d.ts && ln -s src link && ln -s .. src/up`;
    assert.ok(made.status.success);
  });

  test("walk finds everything, with its kind", async () => {
    const found = await pathsOf(sandbox.fs.walk("tree"));
    assert.deepEqual(found, [
      ...["tree", "tree/a.ts", "tree/b.js", "tree/link", "tree/src", "tree/src/c.ts"],
      ...["tree/src/deep", "tree/src/deep/d.ts", "tree/src/up"],
    ]);
    const kinds = new Map<string, boolean>();
    for await (const entry of sandbox.fs.walk("tree")) kinds.set(entry.name, entry.isSymlink);
    assert.equal(kinds.get("link"), true);
  });

  test("walk follows its options", async () => {
    const options = { exts: ["ts"], skip: [/deep/], includeSymlinks: false };
    assert.deepEqual(await pathsOf(sandbox.fs.walk("tree", options)), [
      "tree/a.ts",
      "tree/src/c.ts",
    ]);
    const followed = sandbox.fs.walk("tree", { followSymlinks: true, match: [/d\.ts$/] });
    assert.ok((await pathsOf(followed)).length >= 1, "loops end");
  });

  test("expandGlob finds what the shell finds", async () => {
    const found = await pathsOf(sandbox.fs.expandGlob("tree/**/*.ts"));
    const home = "/home/sandbox/tree";
    assert.deepEqual(found, [`${home}/a.ts`, `${home}/src/c.ts`, `${home}/src/deep/d.ts`]);
    const options = { root: "tree", includeDirs: false, exclude: ["**/deep"] };
    assert.deepEqual(await pathsOf(sandbox.fs.expandGlob("**/*.ts", options)), [
      `${home}/a.ts`,
      `${home}/src/c.ts`,
    ]);
  });

  test("a root that is not there is an error, a glob that matches nothing is empty", async () => {
    await assert.rejects(pathsOf(sandbox.fs.walk("absent")), { code: "ENOENT" });
    assert.deepEqual(await pathsOf(sandbox.fs.expandGlob("absent/*")), []);
  });

  test("files may vanish during a walk, and names need not be UTF-8", async () => {
    const made =
      await sandbox.sh`mkdir -p odd && cd odd && for i in $(seq 200); do mkdir d$i; touch d$i/f; done && touch $'\\xff\\xfe'`;
    assert.ok(made.status.success);
    const found: string[] = [];
    for await (const { path } of sandbox.fs.walk("odd")) {
      if (found.push(path) === 5) await sandbox.sh`rm -rf odd/d*`;
    }
    assert.ok(found.includes("odd/��"), "a name that is no text is shown with U+FFFD");
  });

  test("a glob with 50,000 matches is streamed", async () => {
    const made = await sandbox.sh`mkdir many && cd many && seq 50000 | xargs touch`;
    assert.ok(made.status.success);
    let count = 0;
    for await (const _ of sandbox.fs.expandGlob("many/*")) count += 1;
    assert.equal(count, 50_000);
  });
});
