import { readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";

import { hasCode, ImageError } from "./errors.ts";
import type { MachineImage } from "./image.ts";
import { ownerOf } from "./owner.ts";
import type { Part } from "./store.ts";
import { removeTree } from "./tree.ts";

const recordPattern = /^image-[0-9a-f]+\.json$/;
const partPattern = /^(kernel|rootfs|runtime|initrd|disk|editor)-[0-9a-f]+$/;

/** An image on this host. */
export interface StoredImage {
  readonly image: MachineImage;
  /** When it was last asked for, RFC 3339. */
  readonly usedAt: string;
  /** Disk that its parts take, in bytes. Parts that images share count in each. */
  readonly sizeBytes: number;
}

interface ImageRecord {
  readonly image: MachineImage;
  /** Names of the directories of its parts. */
  readonly parts: readonly string[];
  readonly usedAt: string;
}

/** Notes that these parts are an image, so that it is listed and its parts are kept. */
export async function recordImage(
  directory: string,
  image: MachineImage,
  parts: readonly Part[],
): Promise<void> {
  const names = parts.map((part) => basename(part.directory));
  const record: ImageRecord = { image, parts: names, usedAt: new Date().toISOString() };
  const path = join(directory, `image-${image.key}.json`);
  const temporary = `${path}.${ownerOf(process.pid)}`;
  await writeFile(temporary, `${JSON.stringify(record, null, 2)}\n`);
  await rename(temporary, path);
}

/** The images below SKERRY_HOME, the last used first. */
export async function listImages(home: string): Promise<readonly StoredImage[]> {
  const directory = join(home, "images");
  const records = await readRecords(directory);
  const images = await Promise.all(
    records.map(async ({ image, parts, usedAt }) => {
      const sizes = await Promise.all(parts.map((part) => diskBytes(join(directory, part))));
      return { image, usedAt, sizeBytes: sizes.reduce((sum, size) => sum + size, 0) };
    }),
  );
  return images.toSorted((a, b) => (a.usedAt < b.usedAt ? 1 : -1));
}

/**
 * Removes all images of a name but those with a key in `keep` (the ones that machines, templates or snapshots still
 * stand on), and every part that no image is left for. A part that is open stays readable for who has it open.
 * @returns the keys of the removed images
 * @throws ImageError `unknown_image` when there is no image of this name
 */
export async function removeImage(
  home: string,
  name: string,
  { keep }: { readonly keep: ReadonlySet<string> },
): Promise<readonly string[]> {
  const directory = join(home, "images");
  const records = await readRecords(directory);
  if (!records.some(({ image }) => image.name === name)) {
    throw new ImageError("unknown_image", `there is no image ${name} below ${directory}`);
  }
  const gone = records.filter(({ image }) => image.name === name && !keep.has(image.key));
  for (const { image } of gone)
    await rm(join(directory, `image-${image.key}.json`), { force: true });
  const left = new Set(
    records.filter((record) => !gone.includes(record)).flatMap(({ parts }) => parts),
  );
  for (const part of (await readdir(directory)).filter((entry) => partPattern.test(entry))) {
    if (!left.has(part)) await removePart(directory, part);
  }
  return gone.map(({ image }) => image.key);
}

/** Out of its place by one rename, then away: a part is never half there. */
async function removePart(directory: string, part: string): Promise<void> {
  const away = join(directory, `.remove-${part}.${ownerOf(process.pid)}`);
  await rename(join(directory, part), away);
  await removeTree(away);
}

async function readRecords(directory: string): Promise<readonly ImageRecord[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  });
  const texts = await Promise.all(
    names
      .filter((name) => recordPattern.test(name))
      .map((name) => readFile(join(directory, name), "utf8")),
  );
  // Written by recordImage and renamed as a whole.
  return texts.map((text) => JSON.parse(text) as ImageRecord);
}

async function diskBytes(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async (file) => (await stat(join(file.parentPath, file.name))).blocks * 512),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
