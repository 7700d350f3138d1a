import { chmod, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { PartRecipe } from "./store.ts";
import { runTool } from "./tool.ts";

/** The file of a disk part. */
export const diskFile = "disk.ext4";

const sizeMiB = 10_240;
const label = "skerry";
const uuid = "5ce21a00-0000-4000-8000-000000000001";

/** How the file system is made, see docs in `images/README.md`. */
const format = [
  ["-t", "ext4"],
  ["-L", label],
  ["-U", uuid],
  // No space that only root may use; one inode for each 16 KiB.
  ["-m", "0"],
  // Nothing is written that need not be: the file stays a few hundred KiB.
  ["-E", `lazy_itable_init=1,lazy_journal_init=1,nodiscard,hash_seed=${uuid}`],
  // The disk lives and dies with its machine, so there is never a crash to recover from.
  ["-O", "^has_journal,^metadata_csum"],
].flat();

/** The empty disk that the writable disk of each machine starts from: sparse, formatted once. */
export function diskPart(signal: AbortSignal): PartRecipe {
  return {
    kind: "disk",
    inputs: { sizeMiB: String(sizeMiB), format: format.join(" ") },
    build: async (directory) => {
      const path = join(directory, diskFile);
      await writeFile(path, "");
      await truncate(path, sizeMiB * 1_048_576);
      const args = ["-F", "-q", ...format, path];
      await runTool("mkfs.ext4", args, { doing: "format the empty disk", signal });
      await chmod(path, 0o444);
    },
  };
}
