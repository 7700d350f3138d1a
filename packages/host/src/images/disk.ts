import { chmod, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { PartRecipe } from "./store.ts";
import { runTool } from "./tool.ts";

/** The file of a disk part. */
export const diskFile = "disk.ext4";

const sizeMiB = 10_240;
const label = "skerry";
const uuid = "5ce21a00-0000-4000-8000-000000000001";

/**
 * How the file system is made. Without a journal: the disk lives and dies with its machine, so there is never a crash
 * to recover from, and an fsync costs a third less. A machine that is killed and whose disk is to be used again needs
 * `e2fsck` first.
 */
const format = [
  ["-t", "ext4"],
  ["-L", label],
  ["-U", uuid],
  // No space that only root may use.
  ["-m", "0"],
  // Inode tables are not written now, so the file stays a few MiB; the guest mounts with noinit_itable.
  ["-E", `lazy_itable_init=1,nodiscard,hash_seed=${uuid}`],
  ["-O", "^has_journal"],
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
