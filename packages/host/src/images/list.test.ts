import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import type { MachineImage } from "./image.ts";
import { listImages, recordImage, removeImage } from "./list.ts";
import type { Part, PartKind } from "./store.ts";

test("listImages() of a home without images is empty", async (t) => {
  assert.deepEqual(await listImages(await freshHome(t)), []);
});

test("listImages() says what an image takes", async (t) => {
  const home = await freshHome(t);
  await addImage(home, { key: "01", parts: [["rootfs", "aa"]] });
  const [stored] = await listImages(home);
  assert.equal(stored?.image.key, "01");
  assert.ok(stored.sizeBytes >= 4096, `${stored.sizeBytes} bytes`);
});

test("removeImage() keeps what is in use and every part that an image is left for", async (t) => {
  const home = await freshHome(t);
  await addImage(home, {
    key: "01",
    parts: [
      ["kernel", "aa"],
      ["rootfs", "bb"],
    ],
  });
  await addImage(home, {
    key: "02",
    parts: [
      ["kernel", "aa"],
      ["rootfs", "cc"],
    ],
  });
  const removed = await removeImage(home, "builtin:test", { keep: new Set(["02"]) });
  assert.deepEqual(removed, ["01"]);
  assert.deepEqual(await entries(home), ["image-02.json", "kernel-aa", "rootfs-cc"]);
  await removeImage(home, "builtin:test", { keep: new Set() });
  assert.deepEqual(await entries(home), []);
});

test("removeImage() refuses a name that is not there", async (t) => {
  const home = await freshHome(t);
  const removal = removeImage(home, "builtin:test", { keep: new Set() });
  await assert.rejects(removal, { code: "unknown_image" });
});

interface Given {
  readonly key: string;
  readonly parts: readonly (readonly [PartKind, string])[];
}

async function addImage(home: string, { key, parts }: Given): Promise<void> {
  const directory = join(home, "images");
  const made: Part[] = [];
  for (const [kind, partKey] of parts) {
    const part = {
      kind,
      key: partKey,
      buildId: partKey,
      directory: join(directory, `${kind}-${partKey}`),
    };
    await mkdir(part.directory, { recursive: true });
    await writeFile(join(part.directory, "file"), Buffer.alloc(4096, 1));
    made.push(part);
  }
  const nowhere = { kernel: "", initrd: "", root: "", runtime: "", disk: "", editor: "" };
  const image: MachineImage = { name: "builtin:test", key, ...nowhere };
  await recordImage(directory, image, made);
}

async function entries(home: string): Promise<readonly string[]> {
  return (await readdir(join(home, "images"))).toSorted();
}

async function freshHome(t: TestContext): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "skerry-home-"));
  t.after(() => rm(home, { recursive: true }));
  return home;
}
