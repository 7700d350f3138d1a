import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { AptFetcher } from "./apt.ts";
import { vmlinuxOf } from "./bzimage.ts";
import { ImageError } from "./errors.ts";
import type { Recipe } from "./recipe.ts";
import type { PartRecipe } from "./store.ts";
import { runTool } from "./tool.ts";

/** What a kernel part holds, relative to its directory. */
export const kernelFiles = {
  /** Uncompressed, with the PVH entry. */
  vmlinux: "vmlinux",
  /** `lib/modules/<release>` below this, as Debian compresses them, with depmod's tables. */
  modules: "modules",
} as const;

/** The kernel: Debian's package for virtual machines, its payload cut out, its modules beside it. */
export function kernelPart(recipe: Recipe, signal: AbortSignal): PartRecipe {
  return {
    kind: "kernel",
    inputs: { suite: recipe.suite, kernel: recipe.kernel },
    build: async (directory) => {
      const scratch = join(directory, "scratch");
      const tree = join(scratch, "tree");
      await mkdir(join(scratch, "apt"), { recursive: true });
      const fetcher = await AptFetcher.open(join(scratch, "apt"), recipe.suite, signal);
      const name = await fetcher.dependency(recipe.kernel, "linux-image-");
      await fetcher.unpack(name, { into: tree, scratch: join(scratch, "package") });
      const bzImage = await onlyEntry(join(tree, "boot"), /^vmlinuz-/);
      await writeFile(join(directory, kernelFiles.vmlinux), vmlinuxOf(await readFile(bzImage)), {
        mode: 0o444,
      });
      await keepModules(tree, join(directory, kernelFiles.modules), signal);
      await rm(scratch, { recursive: true });
    },
  };
}

/** The directory of a kernel part that holds the modules of its one release, and the release. */
export async function moduleTree(
  kernelDirectory: string,
): Promise<{ readonly directory: string; readonly release: string }> {
  const parent = join(kernelDirectory, kernelFiles.modules, "lib/modules");
  const directory = await onlyEntry(parent, /./);
  return { directory, release: directory.slice(parent.length + 1) };
}

async function keepModules(tree: string, into: string, signal: AbortSignal): Promise<void> {
  // Debian's packages have moved from /lib to /usr/lib; both are the same place in a machine.
  const parent = join(
    tree,
    existsSync(join(tree, "usr/lib/modules")) ? "usr/lib/modules" : "lib/modules",
  );
  const source = await onlyEntry(parent, /./);
  const release = source.slice(parent.length + 1);
  await mkdir(join(into, "lib/modules"), { recursive: true });
  await rename(source, join(into, "lib/modules", release));
  await runTool("depmod", ["--basedir", into, release], {
    doing: "index the kernel modules",
    signal,
  });
}

async function onlyEntry(directory: string, pattern: RegExp): Promise<string> {
  const found = (await readdir(directory)).filter((name) => pattern.test(name));
  const [name] = found;
  if (name !== undefined && found.length === 1) return join(directory, name);
  const message = `the kernel package has ${found.length} entries like ${pattern.source} where one was expected`;
  throw new ImageError("bad_kernel", `${message}; choose another kernel package`);
}
