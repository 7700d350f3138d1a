import assert from "node:assert/strict";
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { dictionary, property, shuffledSubarray, string, tuple, assert as holds } from "fast-check";

import { deriveKey, hashDirectory } from "./key.ts";

test("deriveKey() is 32 hex digits, and stays what it was", () => {
  assert.equal(deriveKey({ a: "1", b: "2" }), "778304653d00aa872ebd9103c47511d6");
});

test("deriveKey() does not depend on the order of its inputs", () => {
  const inputs = dictionary(string({ minLength: 1 }), string());
  const shuffled = inputs.chain((given) => {
    const entries = Object.entries(given);
    return tuple(
      shuffledSubarray(entries, { minLength: entries.length }),
      shuffledSubarray(entries),
    );
  });
  holds(
    property(shuffled, ([some, fewer]) => {
      const key = deriveKey(Object.fromEntries(some));
      assert.equal(key, deriveKey(Object.fromEntries(some.toReversed())));
      assert.equal(key === deriveKey(Object.fromEntries(fewer)), some.length === fewer.length);
    }),
  );
});

test("deriveKey() tells apart inputs that only read the same one after the other", () => {
  const keys = [{ a: "bc" }, { ab: "c" }, { a: "b", c: "" }, { a: "", b: "c" }, {}].map(deriveKey);
  assert.equal(new Set(keys).size, keys.length);
});

test("hashDirectory() follows names and contents, and ignores what only explains", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "skerry-key-"));
  t.after(() => rm(directory, { recursive: true }));
  await mkdir(join(directory, "sub"));
  await writeFile(join(directory, "sub/a"), "1");
  const first = await hashDirectory(directory);
  await writeFile(join(directory, "README.md"), "words");
  assert.equal(await hashDirectory(directory), first);
  await writeFile(join(directory, "sub/a"), "2");
  const second = await hashDirectory(directory);
  await writeFile(join(directory, "b"), "");
  const third = await hashDirectory(directory);
  assert.equal(new Set([first, second, third]).size, 3);
});
