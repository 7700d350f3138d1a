import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { suite, test } from "node:test";

import type { WalkEntry } from "@skerry/protocol";
import fc from "fast-check";

import type { SandboxFiles } from "../files.ts";
import { download, staysInside } from "./download.ts";

/** A sandbox that says of its files whatever a test wants. */
class LyingFiles {
  readonly entries: WalkEntry[] = [];
  readonly links = new Map<string, string>();
  kindNow: "file" | "other" = "file";

  add(path: string, kind: "file" | "directory" | "symlink" | "other", target?: string): this {
    const flags = {
      isFile: kind === "file",
      isDirectory: kind === "directory",
      isSymlink: kind === "symlink",
    };
    this.entries.push({ path, name: posix.basename(path), ...flags });
    if (target !== undefined) this.links.set(path, target);
    return this;
  }

  async realPath(path: string): Promise<string> {
    return path;
  }
  async lstat(): Promise<object> {
    return { isDirectory: true, mode: 0o40_750 };
  }
  async *walk(path: string): AsyncGenerator<WalkEntry> {
    yield { path, name: posix.basename(path), isFile: false, isDirectory: true, isSymlink: false };
    yield* this.entries;
  }
  async openRead(path: string): Promise<object> {
    const content = ReadableStream.from([new TextEncoder().encode(`content of ${path}`)]);
    return { info: { isFile: this.kindNow === "file", mode: 0o100_600 }, content };
  }
  async readLink(path: string): Promise<string> {
    return this.links.get(path) ?? "";
  }

  asFiles(): SandboxFiles {
    return this as unknown as SandboxFiles; // the part of it that downloading uses
  }
}

function makePlace(): Disposable & { readonly path: string; readonly target: string } {
  const path = mkdtempSync(join(tmpdir(), "skerry-download-"));
  const target = join(path, "in", "here");
  mkdirSync(target, { recursive: true });
  return { path, target, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Everything below a directory but what is in `except`. */
function namesBelow(path: string, except: string): string[] {
  return readdirSync(path, { recursive: true, encoding: "utf8" }).filter(
    (name) => !join(path, name).startsWith(except) && !except.startsWith(join(path, name)),
  );
}

suite("download", () => {
  test("makes directories, files with their mode, and links that stay inside", async () => {
    using place = makePlace();
    const files = new LyingFiles();
    files.add("/r/d", "directory").add("/r/d/f", "file").add("/r/l", "symlink", "d/f");
    files.add("/r/d/up", "symlink", "../d");
    const result = await download(files.asFiles(), "/r", place.target, {});
    assert.deepEqual(result, { files: 1, directories: 2, links: 2, skipped: 0, bytes: 17 });
    assert.equal(readFileSync(join(place.target, "r/l"), "utf8"), "content of /r/d/f");
    assert.equal(lstatSync(join(place.target, "r/d/f")).mode & 0o777, 0o600);
    assert.deepEqual(await download(files.asFiles(), "/r", place.target, {}), result, "again");
  });

  const lies: readonly (readonly [name: string, tell: (files: LyingFiles) => LyingFiles])[] = [
    ["a name that climbs", (files) => files.add("/r/../../out", "file")],
    ["a path from elsewhere", (files) => files.add("/etc/out", "file")],
    ["a name with NUL", (files) => files.add("/r/a\0b", "file")],
    ["an empty name", (files) => files.add("/r//out", "file")],
    ["a dot", (files) => files.add("/r/.", "file")],
    ["a file in what is no directory of the copy", (files) => files.add("/r/x/out", "file")],
    ["an absolute link", (files) => files.add("/r/l", "symlink", "/etc")],
    ["a link that climbs", (files) => files.add("/r/l", "symlink", "../../out")],
    [
      "a link that climbs through another",
      (files) => files.add("/r/d", "directory").add("/r/d/l", "symlink", "x/../../.."),
    ],
    ["a device", (files) => files.add("/r/dev", "other")],
  ];
  for (const [name, tell] of lies) {
    test(`${name} is skipped, and nothing is written outside`, async () => {
      using place = makePlace();
      const skipped: string[] = [];
      const onSkip = ({ path }: { readonly path: string }): void => void skipped.push(path);
      await download(tell(new LyingFiles()).asFiles(), "/r", place.target, { onSkip });
      assert.equal(skipped.length, 1);
      assert.deepEqual(namesBelow(place.path, place.target), []);
    });
  }

  test("a file below a link of the same name does not go through the link", async () => {
    using place = makePlace();
    const files = new LyingFiles().add("/r/l", "symlink", "../..").add("/r/l/out", "file");
    await download(files.asFiles(), "/r", place.target, {});
    assert.deepEqual(namesBelow(place.path, place.target), []);
  });

  test("a link that was here before is not written through", async () => {
    using place = makePlace();
    mkdirSync(join(place.target, "r"));
    symlinkSync(place.path, join(place.target, "r/d"));
    symlinkSync(join(place.path, "out"), join(place.target, "r/f"));
    const files = new LyingFiles().add("/r/d", "directory").add("/r/d/out", "file");
    const result = await download(files.asFiles(), "/r", place.target, {});
    assert.equal(result.files, 0);
    const through = new LyingFiles().add("/r/f", "file");
    await assert.rejects(download(through.asFiles(), "/r", place.target, {}), { code: "ELOOP" });
    assert.equal(existsSync(join(place.path, "out")), false);
  });

  test("what has become something else is skipped", async () => {
    using place = makePlace();
    const files = new LyingFiles().add("/r/f", "file");
    files.kindNow = "other";
    assert.equal((await download(files.asFiles(), "/r", place.target, {})).skipped, 1);
  });

  test("whatever the sandbox tells, nothing is written outside of the target", async () => {
    const part = fc.constantFrom("a", "b", "..", ".", "", "/", "\0", "r", "in", "here");
    const path = fc.array(part, { maxLength: 5 }).map((parts) => `/r/${parts.join("/")}`);
    const kind = fc.constantFrom("file", "directory", "symlink", "other");
    const link = fc.array(part, { maxLength: 5 }).map((parts) => parts.join("/"));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(path, kind, link), { maxLength: 12 }), async (told) => {
        using place = makePlace();
        const files = new LyingFiles();
        for (const [at, what, to] of told) files.add(at, what, to);
        await download(files.asFiles(), "/r", place.target, {}).catch(() => {});
        assert.deepEqual(namesBelow(place.path, place.target), []);
      }),
      { numRuns: 150 },
    );
  });

  test("links may climb as far as the top, and only before they descend", () => {
    const cases: readonly (readonly [to: string, depth: number, expected: boolean])[] = [
      ["a/b", 0, true],
      ["..", 0, false],
      ["..", 1, true],
      ["../../x", 2, true],
      ["../../../x", 2, false],
      ["a/../b", 5, false],
      ["/a", 5, false],
      ["", 0, true],
    ];
    for (const [to, depth, expected] of cases) assert.equal(staysInside(to, depth), expected, to);
  });
});
