import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";

import { OperationError } from "../errors.ts";
import type { SandboxFiles } from "../files.ts";
import { upload } from "./upload.ts";

/** A sandbox that keeps what it is sent in a list. */
class ListedFiles {
  readonly made: string[] = [];
  readonly directories = new Set(["/", "."]);
  /** Fails, or waits for, the writing of some paths. */
  onWrite: (path: string, signal: AbortSignal | undefined) => Promise<void> = async () => {};

  async stat(path: string): Promise<object> {
    if (this.directories.has(path)) return { isDirectory: true };
    throw new OperationError("NotFound", "no such file", "ENOENT");
  }
  async lstat(): Promise<never> {
    throw new OperationError("NotFound", "no such file", "ENOENT");
  }
  async mkdir(path: string, options: { readonly mode?: number }): Promise<void> {
    this.directories.add(path);
    this.made.push(`${path}/ ${(options.mode ?? 0o777).toString(8)}`);
  }
  async writeFile(
    path: string,
    content: AsyncIterable<Uint8Array>,
    options: { readonly mode: number; readonly signal?: AbortSignal },
  ): Promise<void> {
    await this.onWrite(path, options.signal);
    let text = "";
    for await (const chunk of content) text += Buffer.from(chunk).toString();
    this.made.push(`${path} ${options.mode.toString(8)} ${text}`);
  }
  async symlink(to: string, path: string): Promise<void> {
    this.made.push(`${path} -> ${to}`);
  }

  asFiles(): SandboxFiles {
    return this as unknown as SandboxFiles; // the part of it that uploading uses
  }
}

function makeTree(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "skerry-upload-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

suite("upload", () => {
  test("keeps names, modes and contents of a tree", async () => {
    using tree = makeTree();
    const root = join(tree.path, "project");
    mkdirSync(join(root, "bin"), { recursive: true });
    writeFileSync(join(root, "bin", "tool"), "#!");
    writeFileSync(join(root, "näme \n"), "x");
    chmodSync(join(root, "bin", "tool"), 0o755);
    chmodSync(join(root, "näme \n"), 0o600);
    chmodSync(join(root, "bin"), 0o555);
    const files = new ListedFiles();
    const result = await upload(files.asFiles(), root, "/app", {});
    assert.deepEqual(files.made.toSorted(), [
      "/app/project/ 755",
      "/app/project/bin/ 755",
      "/app/project/bin/tool 755 #!",
      "/app/project/näme \n 600 x",
    ]);
    assert.deepEqual(result, { files: 2, directories: 2, links: 0, skipped: 0, bytes: 3 });
  });

  for (const [target, expected] of [
    ["/new/name", ["/new/ 777", "/new/name 644 x"]],
    ["/", ["/f 644 x"]],
    [".", ["f 644 x"]],
    ["/dir/", ["/dir/ 777", "/dir/f 644 x"]],
  ] as const) {
    test(`a file to ${target} has a directory to be in, and a name`, async () => {
      using tree = makeTree();
      writeFileSync(join(tree.path, "f"), "x", { mode: 0o644 });
      const files = new ListedFiles();
      await upload(files.asFiles(), join(tree.path, "f"), target, {});
      assert.deepEqual(files.made, expected);
    });
  }

  test("links stay links: those into the tree lead to the copy, loops and all", async () => {
    using tree = makeTree();
    const root = join(tree.path, "t");
    mkdirSync(join(root, "d"), { recursive: true });
    writeFileSync(join(root, "d", "f"), "x", { mode: 0o644 });
    symlinkSync(join(root, "d", "f"), join(root, "absolute"));
    symlinkSync("../d", join(root, "d", "loop"));
    symlinkSync("/usr/lib", join(root, "outside"));
    symlinkSync("nowhere", join(root, "dangling"));
    const files = new ListedFiles();
    const result = await upload(files.asFiles(), root, "/", {});
    const links = files.made.filter((line) => line.includes("->")).toSorted();
    assert.deepEqual(links, [
      "/t/absolute -> d/f",
      "/t/d/loop -> ../d",
      "/t/dangling -> nowhere",
      "/t/outside -> /usr/lib",
    ]);
    assert.equal(result.links, 4);
  });

  test("that fails has nothing running any more, and fails with the first error", async () => {
    using tree = makeTree();
    for (let i = 0; i < 20; i++) writeFileSync(join(tree.path, `f${i}`), "x");
    const files = new ListedFiles();
    const stopped: string[] = [];
    const full = new OperationError("Error", "no space left", "ENOSPC");
    let writes = 0;
    files.onWrite = async (path, signal) => {
      signal?.throwIfAborted();
      writes += 1;
      if (writes === 3) throw full;
      const { promise, reject } = Promise.withResolvers<never>();
      signal?.addEventListener("abort", () => {
        stopped.push(path);
        reject(signal.reason);
      });
      await promise;
    };
    await assert.rejects(upload(files.asFiles(), tree.path, "/", { concurrency: 4 }), full);
    assert.equal(stopped.length, writes - 1);
    assert.ok(writes <= 5);
  });

  test("ends when its signal aborts", async () => {
    using tree = makeTree();
    writeFileSync(join(tree.path, "f"), "x");
    const controller = new AbortController();
    const files = new ListedFiles();
    files.onWrite = async (_path, signal) => {
      controller.abort(new Error("enough"));
      signal?.throwIfAborted();
    };
    const { signal } = controller;
    await assert.rejects(upload(files.asFiles(), tree.path, "/", { signal }), /enough/);
  });

  test("tells how far it is", async () => {
    using tree = makeTree();
    for (let i = 0; i < 3; i++) writeFileSync(join(tree.path, `f${i}`), "12345");
    const told: number[] = [];
    const onProgress = ({ bytes }: { readonly bytes: number }): void => void told.push(bytes);
    await upload(new ListedFiles().asFiles(), tree.path, "/", { onProgress });
    assert.equal(told.at(-1), 15);
    assert.deepEqual(
      told,
      told.toSorted((a, b) => a - b),
    );
  });
});
