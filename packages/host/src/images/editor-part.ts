import { chmod, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { hashDirectory } from "./key.ts";
import type { PartRecipe } from "./store.ts";

/** The file of an editor part. */
export const editorFile = "editor.erofs";

/** Where what the editor is made of is named and pinned, and the programs of ours that go with it. */
export const editorSources = fileURLToPath(new URL("../../editor/", import.meta.url));

/** Size of the disk in MiB, which a machine cannot change any more when it has started. */
export const editorSizeMiB = 1_024;

/**
 * The disk for the editor, which every machine has from its start: nothing but a hole, which takes no room. What belongs
 * on it is built when it is first asked for, and written into this very file, which the machines that run have open.
 */
export async function editorPart(): Promise<PartRecipe> {
  return {
    kind: "editor",
    inputs: { sizeMiB: String(editorSizeMiB), sources: await hashDirectory(editorSources) },
    build: async (directory) => {
      const path = join(directory, editorFile);
      await writeFile(path, "");
      await truncate(path, editorSizeMiB * 1_048_576);
      await chmod(path, 0o444);
    },
  };
}
