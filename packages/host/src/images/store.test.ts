import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { ownerOf } from "./owner.ts";
import { PartStore, type PartRecipe } from "./store.ts";

const { signal } = new AbortController();
const noWait = (): void => assert.fail("nobody else builds");

test("a part is built once, stays, and is built anew when an input changes", async (t) => {
  const directory = await freshDirectory(t);
  const store = await PartStore.open(directory, signal);
  let builds = 0;
  const recipe = (input: string): PartRecipe => {
    const build = async (into: string): Promise<void> => {
      builds += 1;
      await writeFile(join(into, "file"), input);
    };
    return { kind: "disk", inputs: { input }, build };
  };
  const first = await store.ensure(recipe("one"), noWait);
  const reopened = await PartStore.open(directory, signal);
  assert.deepEqual(await reopened.ensure(recipe("one"), noWait), first);
  const second = await store.ensure(recipe("two"), noWait);
  assert.equal(builds, 2);
  assert.notEqual(second.key, first.key);
  assert.equal(await readFile(join(first.directory, "file"), "utf8"), "one");
  assert.deepEqual(
    await names(directory),
    [first, second].map(({ key }) => `disk-${key}`).toSorted(),
  );
});

test("a part that was removed and built again is another build of the same key", async (t) => {
  const directory = await freshDirectory(t);
  const store = await PartStore.open(directory, signal);
  const recipe: PartRecipe = { kind: "disk", inputs: {}, build: async () => undefined };
  const first = await store.ensure(recipe, noWait);
  await rm(first.directory, { recursive: true });
  const second = await store.ensure(recipe, noWait);
  assert.equal(second.key, first.key);
  assert.notEqual(second.buildId, first.buildId);
});

test("a build that fails leaves nothing, and can be tried again", async (t) => {
  const directory = await freshDirectory(t);
  const store = await PartStore.open(directory, signal);
  const failing: PartRecipe = {
    kind: "disk",
    inputs: {},
    build: async (into) => {
      await writeFile(join(into, "half"), "");
      throw new Error("half way");
    },
  };
  await assert.rejects(store.ensure(failing, noWait), new Error("half way"));
  assert.deepEqual(await readdir(directory), []);
  await store.ensure({ ...failing, build: async () => undefined }, noWait);
});

test("an abort while a part is built leaves nothing", async (t) => {
  const directory = await freshDirectory(t);
  const controller = new AbortController();
  const store = await PartStore.open(directory, controller.signal);
  const build = async (): Promise<void> => controller.abort(new Error("stop"));
  await assert.rejects(
    store.ensure({ kind: "disk", inputs: {}, build }, noWait),
    new Error("stop"),
  );
  assert.deepEqual(await readdir(directory), []);
});

test("two that want the same part build it once, and both get it", async (t) => {
  const directory = await freshDirectory(t);
  const stores = [await PartStore.open(directory, signal), await PartStore.open(directory, signal)];
  const started = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  let builds = 0;
  const build = async (): Promise<void> => {
    builds += 1;
    started.resolve();
    await finish.promise;
  };
  const recipe: PartRecipe = { kind: "disk", inputs: {}, build };
  const waits: string[] = [];
  const parts = stores.map((store) => store.ensure(recipe, () => void waits.push("wait")));
  await started.promise;
  finish.resolve();
  const [first, second] = await Promise.all(parts);
  assert.deepEqual(first, second);
  assert.equal(builds, 1);
});

test(
  "what a killed build left is cleared, and its lock taken over",
  { timeout: 30_000 },
  async (t) => {
    const directory = await freshDirectory(t);
    const program = `
    import { writeFile } from "node:fs/promises";
    import { PartStore } from ${JSON.stringify(import.meta.resolve("./store.ts"))};
    const store = await PartStore.open(${JSON.stringify(directory)}, new AbortController().signal);
    const build = async (into) => {
      await writeFile(into + "/half", "");
      console.log("building");
      setInterval(() => {}, 1000);
      await new Promise(() => {});
    };
    await store.ensure({ kind: "disk", inputs: {}, build }, () => {});
  `;
    const flags = ["--disable-warning=ExperimentalWarning", "--input-type=module"];
    const child = spawn(process.execPath, [...flags, "--eval", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    await once(child, "close");
    assert.equal((await readdir(directory)).length, 2, "a directory and a lock are left");

    const store = await PartStore.open(directory, signal);
    const part = await store.ensure(
      { kind: "disk", inputs: {}, build: async () => undefined },
      noWait,
    );
    assert.deepEqual(await readdir(directory), [`disk-${part.key}`]);
    assert.deepEqual(await readdir(part.directory), ["part.json"]);
  },
);

test("open() leaves alone what a living process builds", async (t) => {
  const directory = await freshDirectory(t);
  const name = `.build-disk-0.${ownerOf(process.pid)}`;
  await mkdir(join(directory, name));
  await PartStore.open(directory, signal);
  assert.deepEqual(await readdir(directory), [name]);
});

async function freshDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "skerry-store-"));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}

async function names(directory: string): Promise<readonly string[]> {
  return (await readdir(directory)).toSorted();
}
