import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { hasCode } from "./errors.ts";
import { deriveKey, type KeyInputs } from "./key.ts";
import { withLock } from "./lock.ts";
import { isAlive, ownerOf } from "./owner.ts";
import { runTool } from "./tool.ts";
import { removeTree } from "./tree.ts";

/** Raised when a build of the same recipe would give something else, so that what is there is built anew. */
const formatVersion = "1";
const recordFile = "part.json";
const buildPrefix = ".build-";

export type PartKind = "kernel" | "rootfs" | "runtime" | "initrd" | "disk" | "editor";

/** One part of an image on disk: a directory that never changes once it is there. */
export interface Part {
  readonly kind: PartKind;
  readonly directory: string;
  /** Of the recipe and its inputs. */
  readonly key: string;
  /** Of this very build: a part that was removed and built again is another one. */
  readonly buildId: string;
}

interface PartRecord extends Omit<Part, "directory"> {
  /** RFC 3339. */
  readonly builtAt: string;
}

/** How to build a part. */
export interface PartRecipe {
  readonly kind: PartKind;
  readonly inputs: KeyInputs;
  /** Fills the empty directory. May leave anything behind when it fails. */
  build(directory: string): Promise<void>;
}

/**
 * The parts below one directory. A part is built in a temporary directory beside its place, synced, and renamed:
 * it is there as a whole or not at all, whatever dies when.
 */
export class PartStore {
  readonly directory: string;
  readonly #signal: AbortSignal;

  private constructor(directory: string, signal: AbortSignal) {
    this.directory = directory;
    this.#signal = signal;
  }

  /** Opens the store, makes it when there is none, and clears what dead builds left. */
  static async open(directory: string, signal: AbortSignal): Promise<PartStore> {
    await mkdir(directory, { recursive: true });
    await sweep(directory);
    return new PartStore(directory, signal);
  }

  /** The part of this recipe: as it is, or built now. `onWait` is called when another process builds it. */
  async ensure(recipe: PartRecipe, onWait: () => void): Promise<Part> {
    const key = deriveKey({ ...recipe.inputs, formatVersion, kind: recipe.kind });
    const place = join(this.directory, `${recipe.kind}-${key}`);
    const existing = await readPart(place);
    if (existing !== null) return existing;
    return withLock(join(this.directory, `.lock-${recipe.kind}-${key}`), {
      work: async () => (await readPart(place)) ?? (await this.#build(recipe, { key, place })),
      onWait,
      signal: this.#signal,
    });
  }

  async #build(recipe: PartRecipe, { key, place }: { key: string; place: string }): Promise<Part> {
    const owner = ownerOf(process.pid);
    const directory = join(this.directory, `${buildPrefix}${recipe.kind}-${key}.${owner}`);
    await removeTree(directory);
    await mkdir(directory);
    try {
      await recipe.build(directory);
      this.#signal.throwIfAborted();
      const buildId = randomBytes(16).toString("hex");
      const record: PartRecord = {
        kind: recipe.kind,
        key,
        buildId,
        builtAt: new Date().toISOString(),
      };
      await writeFile(join(directory, recordFile), `${JSON.stringify(record, null, 2)}\n`);
      await runTool("sync", ["--file-system", directory], {
        doing: "sync the disk",
        signal: this.#signal,
      });
      await moveIntoPlace(directory, place);
      await syncDirectory(this.directory);
    } finally {
      await removeTree(directory);
    }
    const part = await readPart(place);
    if (part === null) throw new Error(`${place} vanished while it was built`);
    return part;
  }
}

async function readPart(directory: string): Promise<Part | null> {
  try {
    // Written by #build and renamed as a whole: it has this shape.
    const record = JSON.parse(await readFile(join(directory, recordFile), "utf8")) as PartRecord;
    return { kind: record.kind, key: record.key, buildId: record.buildId, directory };
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  }
}

async function moveIntoPlace(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    // Another process was faster: its part is as good as this one.
    if (!hasCode(error, "ENOTEMPTY") && !hasCode(error, "EEXIST")) throw error;
  }
}

/** Clears what belongs to processes that are gone: the owner is what follows the last dot of a name. */
async function sweep(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const owner = name.slice(name.lastIndexOf(".") + 1);
    const isTemporary = name.startsWith(".") && name.lastIndexOf(".") > 0;
    if (isTemporary && !isAlive(owner)) await removeTree(join(directory, name));
  }
}

async function syncDirectory(path: string): Promise<void> {
  await using handle = await open(path, "r");
  await handle.sync();
}
