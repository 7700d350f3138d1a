import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { packErofs } from "./erofs.ts";
import type { GuestBinary } from "./initrd.ts";
import { kernelFiles } from "./kernel.ts";
import type { Part, PartRecipe } from "./store.ts";

/** The file of a runtime part. */
export const runtimeFile = "runtime.erofs";

const uuid = "5ce21a00-0000-4000-8000-000000000002";

/**
 * The runtime disk: what a machine needs of ours whatever its root file system is. At its root: `bin/skerry-guest`
 * and `lib/modules/<release>`, the modules that fit the kernel, for `modprobe` at run time.
 */
export function runtimePart(
  { kernel, guest }: { readonly kernel: Part; readonly guest: GuestBinary },
  signal: AbortSignal,
): PartRecipe {
  return {
    kind: "runtime",
    inputs: { kernel: kernel.buildId, guest: guest.hash },
    build: async (directory) => {
      const tree = join(directory, "tree");
      await mkdir(join(tree, "bin"), { recursive: true });
      await writeFile(join(tree, "bin/skerry-guest"), guest.content, { mode: 0o755 });
      await cp(join(kernel.directory, kernelFiles.modules), tree, { recursive: true });
      const output = join(directory, runtimeFile);
      await packErofs(tree, { output, uuid, doing: "pack the runtime disk", signal });
      await rm(tree, { recursive: true });
    },
  };
}
