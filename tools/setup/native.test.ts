import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";

import { hashSources, minimumRust } from "./native.ts";

test("hashSources() follows paths and contents, and not what cargo makes", async (t) => {
  const write = await freshDirectory(t);
  const seen = new Set<string>();
  const note = async (): Promise<number> => seen.add(await hashSources(write.directory)).size;
  await write("guest/src/main.rs", "fn main() {}");
  assert.equal(await note(), 1);
  await write("target/release/skerry-guest", "binary");
  await write("guest/target/debug/x", "binary");
  assert.equal(await note(), 1);
  await write("guest/src/main.rs", "fn main() { }");
  assert.equal(await note(), 2);
  await write("guest/src/other.rs", "");
  assert.equal(await note(), 3);
});

test("minimumRust() is the highest that a crate asks for", async (t) => {
  const write = await freshDirectory(t);
  assert.deepEqual(await minimumRust(write.directory), [1, 0]);
  await write("Cargo.toml", "[workspace]\n");
  await write("a/Cargo.toml", '[package]\nrust-version = "1.85"\n');
  await write("b/Cargo.toml", '[package]\nrust-version = "1.9.2"\n');
  assert.deepEqual(await minimumRust(write.directory), [1, 85]);
});

interface Write {
  (path: string, text: string): Promise<void>;
  readonly directory: string;
}

async function freshDirectory(t: TestContext): Promise<Write> {
  const directory = await mkdtemp(join(tmpdir(), "skerry-native-"));
  t.after(() => rm(directory, { recursive: true }));
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), text);
  };
  return Object.assign(write, { directory });
}
