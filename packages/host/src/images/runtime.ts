import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { packErofs } from "./erofs.ts";
import type { GuestBinary } from "./initrd.ts";
import { kernelFiles } from "./kernel.ts";
import { deriveKey, sha256 } from "./key.ts";
import type { Part, PartRecipe } from "./store.ts";

/** The file of a runtime part. */
export const runtimeFile = "runtime.erofs";

const uuid = "5ce21a00-0000-4000-8000-000000000002";

/**
 * The runtime disk: what a machine needs of ours whatever its root file system is. At its root: `bin/skerry-guest`,
 * `lib/modules/<release>`, the modules that fit the kernel, for `modprobe` at run time, and what `packages/host/runtime`
 * holds, with the library that it imports.
 */
export async function runtimePart(
  { kernel, guest }: { readonly kernel: Part; readonly guest: GuestBinary },
  signal: AbortSignal,
): Promise<PartRecipe> {
  const files = await runtimeFiles();
  return {
    kind: "runtime",
    inputs: { kernel: kernel.buildId, guest: guest.hash, files: hashOf(files) },
    build: async (directory) => {
      const tree = join(directory, "tree");
      await mkdir(join(tree, "bin"), { recursive: true });
      await writeFile(join(tree, "bin/skerry-guest"), guest.content, { mode: 0o755 });
      await cp(join(kernel.directory, kernelFiles.modules), tree, { recursive: true });
      for (const [path, content] of files) {
        await mkdir(dirname(join(tree, path)), { recursive: true });
        await writeFile(join(tree, path), content, { mode: 0o644 });
      }
      const output = join(directory, runtimeFile);
      await packErofs(tree, { output, uuid, doing: "pack the runtime disk", signal });
      await rm(tree, { recursive: true });
    },
  };
}

const sources = new URL("../../runtime/", import.meta.url);
const library = new URL(".", import.meta.resolve("devalue"));

/** Files of the disk by path: ours, and below `deno/devalue` those of the library. */
async function runtimeFiles(): Promise<ReadonlyMap<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const [from, to] of [
    [sources, ""],
    [library, "deno/devalue"],
  ] as const) {
    const root = fileURLToPath(from);
    for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith(".js") || entry.name.endsWith(".test.js"))
        continue;
      const path = join(entry.parentPath, entry.name);
      files.set(join(to, path.slice(root.length)), await readFile(path));
    }
  }
  return files;
}

function hashOf(files: ReadonlyMap<string, Buffer>): string {
  return deriveKey(
    Object.fromEntries([...files].map(([path, content]) => [path, sha256(content)])),
  );
}
