import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { ImageError } from "./errors.ts";

/** A change in the editor, which it has no setting for. */
interface Adjustment {
  readonly why: string;
  readonly file: string;
  /** In the file exactly once. */
  readonly from: string;
  readonly to: string;
}

/**
 * Makes the changes that a list names.
 *
 * @param list a JSON file, `packages/host/editor/adjustments.json`.
 * @param directory what the files of the list are below.
 * @throws ImageError bad_recipe when a file is not as the list expects.
 */
export async function adjustEditor(list: string, directory: string): Promise<void> {
  const adjustments = JSON.parse(await readFile(list, "utf8")) as readonly Adjustment[];
  for (const { file, from, to } of adjustments) {
    const path = join(directory, file);
    const [before, after, ...more] = (await readFile(path, "utf8")).split(from);
    if (before === undefined || after === undefined || more.length > 0) {
      const message = `the editor's ${file} does not have once what is to be changed in it; report this`;
      throw new ImageError("bad_recipe", message);
    }
    await writeFile(path, `${before}${to}${after}`);
  }
}
