import assert from "node:assert/strict";
import {
  globSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { suite, test } from "node:test";

import { sandboxMethods, type WalkEntry } from "@skerry/protocol";
import fc from "fast-check";

import { DirectoryGuest } from "../../testing/directory-guest.ts";
import { expandGlob } from "./glob.ts";
import { walk } from "./walk.ts";

const never = new AbortController().signal;

/** A directory with these files; names that end with "/" are directories. */
function makeTree(names: readonly string[]): Disposable & { readonly path: string } {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "skerry-search-")));
  for (const name of names) {
    const [at = "", target] = name.split(" -> ");
    mkdirSync(posix.dirname(join(path, at)), { recursive: true });
    if (target !== undefined) symlinkSync(target, join(path, at));
    else if (at.endsWith("/")) mkdirSync(join(path, at), { recursive: true });
    else writeFileSync(join(path, at), "");
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

async function pathsOf(found: AsyncIterable<readonly WalkEntry[]>): Promise<string[]> {
  const paths: string[] = [];
  for await (const batch of found) paths.push(...batch.map(({ path }) => path));
  return paths;
}

async function walked(names: readonly string[], options: object = {}): Promise<string[]> {
  using tree = makeTree(names);
  const params = sandboxMethods.walk.params.parse({ path: tree.path, ...options });
  const paths = await pathsOf(await walk(new DirectoryGuest(tree.path), params, never));
  return paths.map((path) => posix.relative(tree.path, path) || ".").toSorted();
}

async function globbed(
  names: readonly string[],
  glob: string,
  options: object = {},
): Promise<string[]> {
  using tree = makeTree(names);
  const params = parseGlob(glob, options);
  const paths = await pathsOf(await expandGlob(new DirectoryGuest(tree.path), params, never));
  return paths.map((path) => posix.relative(tree.path, path) || ".").toSorted();
}

function parseGlob(glob: string, options: object = {}) {
  return sandboxMethods.expandGlob.params.parse({ glob, ...options });
}

const project = ["a.ts", "b.js", "src/c.ts", "src/deep/d.ts", "src/deep/.hidden", "empty/"];

suite("walk", () => {
  test("finds everything, the root as well", async () => {
    assert.deepEqual(await walked(project), [
      ...[".", "a.ts", "b.js", "empty", "src", "src/c.ts", "src/deep"],
      ...["src/deep/.hidden", "src/deep/d.ts"],
    ]);
  });

  test("tells a directory before what is in it", async () => {
    using tree = makeTree(project);
    const params = sandboxMethods.walk.params.parse({ path: tree.path });
    const seen = new Set<string>();
    for (const path of await pathsOf(await walk(new DirectoryGuest(tree.path), params, never))) {
      assert.ok(seen.size === 0 || seen.has(posix.dirname(path)), path);
      seen.add(path);
    }
  });

  const cases: readonly (readonly [name: string, options: object, expected: readonly string[]])[] =
    [
      ["no files", { includeFiles: false }, [".", "empty", "src", "src/deep"]],
      ["no directories", { includeDirs: false, maxDepth: 1 }, ["a.ts", "b.js"]],
      ["no deeper than the root", { maxDepth: 0 }, ["."]],
      ["no deeper than one directory", { maxDepth: 1 }, [".", "a.ts", "b.js", "empty", "src"]],
      ["only with an ending", { exts: ["ts"] }, ["a.ts", "src/c.ts", "src/deep/d.ts"]],
      ["only with an ending that has its dot", { exts: [".js"] }, ["b.js"]],
      [
        "only what matches",
        { match: [{ source: "deep", flags: "" }] },
        ["src/deep", "src/deep/.hidden", "src/deep/d.ts"],
      ],
      [
        "nothing that is skipped, nor what is below",
        { skip: [{ source: "src$", flags: "" }] },
        [".", "a.ts", "b.js", "empty"],
      ],
      [
        "patterns that remember where they were",
        { match: [{ source: "\\.ts$", flags: "g" }] },
        ["a.ts", "src/c.ts", "src/deep/d.ts"],
      ],
    ];
  for (const [name, options, expected] of cases) {
    test(name, async () => assert.deepEqual(await walked(project, options), expected));
  }

  test("the options of the Python client are in an object of their own", async () => {
    assert.deepEqual(await walked(project, { options: { maxDepth: 0 } }), ["."]);
  });

  const linked = ["real/file", "link -> real", "dangling -> nowhere", "real/up -> .."];

  test("links are told, not followed", async () => {
    assert.deepEqual(await walked(linked), [
      ".",
      "dangling",
      "link",
      "real",
      "real/file",
      "real/up",
    ]);
    assert.deepEqual(await walked(linked, { includeSymlinks: false }), [".", "real", "real/file"]);
  });

  test("links that lead back do not lead on for ever, and those that lead nowhere are not there", async () => {
    const options = { followSymlinks: true, canonicalize: false };
    assert.deepEqual(await walked(linked, options), [
      ...[".", "link", "link/file", "link/up", "real", "real/file", "real/up"],
    ]);
  });

  test("where a link leads is told by its own path", async () => {
    const found = await walked(["real/file", "link -> real"], { followSymlinks: true });
    assert.deepEqual(found, [".", "real", "real", "real/file", "real/file"]);
  });

  test("a root that is not there is the error of the call", async () => {
    await assert.rejects(walked([], { path: "/nowhere" }), { errno: "ENOENT" });
  });

  test("a pattern that would take for ever ends the walk, not the server", async () => {
    const evil = { match: [{ source: "(a+)+$", flags: "" }] };
    await assert.rejects(walked([`${"a".repeat(60)}!`], evil), { message: /took longer than/ });
  });

  test("a pattern that is none is refused before anything is looked at", async () => {
    const params = sandboxMethods.walk.params.parse({
      path: "/",
      match: [{ source: "(", flags: "" }],
    });
    const guest = new DirectoryGuest("/");
    await assert.rejects(walk(guest, params, never), { message: /Unterminated group/ });
    assert.deepEqual(guest.listed, []);
  });
});

suite("expandGlob", () => {
  const cases: readonly (readonly [glob: string, options: object, expected: readonly string[]])[] =
    [
      ["a.ts", {}, ["a.ts"]],
      ["nothing", {}, []],
      ["nothing/*", {}, []],
      ["a.ts/*", {}, []],
      ["*", {}, ["a.ts", "b.js", "empty", "src"]],
      ["*/", {}, ["empty", "src"]],
      ["*", { includeDirs: false }, ["a.ts", "b.js"]],
      ["*.{ts,js}", {}, ["a.ts", "b.js"]],
      ["**/*.ts", {}, ["a.ts", "src/c.ts", "src/deep/d.ts"]],
      [
        "**",
        {},
        [
          ".",
          "a.ts",
          "b.js",
          "empty",
          "src",
          "src/c.ts",
          "src/deep",
          "src/deep/.hidden",
          "src/deep/d.ts",
        ],
      ],
      ["src/**/d.ts", {}, ["src/deep/d.ts"]],
      ["**/deep/**", { includeDirs: false }, ["src/deep/.hidden", "src/deep/d.ts"]],
      ["**/*.ts", { globstar: false }, ["src/c.ts"]],
      ["*.TS", { caseInsensitive: true }, ["a.ts"]],
      ["!(a).ts", {}, []],
      ["!(b).{ts,js}", {}, ["a.ts"]],
      ["**/*.ts", { exclude: ["src/deep"] }, ["a.ts", "src/c.ts"]],
      ["**/*.ts", { exclude: ["**/c.*"] }, ["a.ts", "src/deep/d.ts"]],
      ["*.ts", { root: "src" }, ["src/c.ts"]],
      ["src/../*.ts", {}, ["a.ts"]],
      ["[ab].?s", {}, ["a.ts", "b.js"]],
    ];
  for (const [glob, options, expected] of cases) {
    test(`${glob} ${JSON.stringify(options)}`, async () => {
      assert.deepEqual(await globbed(project, glob, options), expected);
    });
  }

  test("nothing is listed that cannot match", async () => {
    using tree = makeTree(project);
    const guest = new DirectoryGuest(tree.path);
    await pathsOf(await expandGlob(guest, parseGlob("src/*.ts"), never));
    assert.deepEqual(guest.listed, [join(tree.path, "src")]);
  });

  test("finds what Node finds, each once", async () => {
    const name = fc.constantFrom("a", "b", "ab", "c.ts", "d.ts");
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
    const part = fc.constantFrom("*", "**", "a", "?", "*b", "*.ts", "{a,b}", "[ab]");
    const glob = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
    await fc.assert(
      fc.asyncProperty(fc.array(path, { maxLength: 8 }), glob, async (paths, pattern) => {
        using tree = makeTree(paths.map((one) => `${one}/`));
        const found = await pathsOf(
          await expandGlob(new DirectoryGuest(tree.path), parseGlob(pattern), never),
        );
        const ours = found.map((one) => posix.relative(tree.path, one)).toSorted();
        // Node tells the root of a `**` by other names, and some things twice.
        const theirs = new Set(globSync(pattern, { cwd: tree.path }).filter((one) => one !== "."));
        assert.deepEqual(
          ours.filter((one) => one !== ""),
          [...theirs].toSorted(),
        );
      }),
      { numRuns: 60 },
    );
  });
});
