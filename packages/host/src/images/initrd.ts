import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";

import { cpio, type CpioEntry } from "./cpio.ts";
import { moduleTree } from "./kernel.ts";
import { moduleOrder } from "./module-order.ts";
import type { Part, PartRecipe } from "./store.ts";
import { runTool } from "./tool.ts";

/** The file of an initrd part. */
export const initrdFile = "initrd.cpio";

/**
 * What PID 1 loads before it can mount the root and see the network. Disks, the root file system and the overlay on
 * it; the virtio transport, its console and ext4 are in Debian's kernel.
 */
const modules = [
  "virtio_pci",
  "virtio_console",
  "virtio_blk",
  "erofs",
  "ext4",
  "overlay",
  "virtio_net",
];

/** The first root of a machine: the guest as /init, the modules above and their order. Not compressed. */
export function initrdPart(
  { kernel, guest }: { readonly kernel: Part; readonly guest: GuestBinary },
  signal: AbortSignal,
): PartRecipe {
  return {
    kind: "initrd",
    inputs: { kernel: kernel.buildId, guest: guest.hash, modules: modules.join(" ") },
    build: async (directory) => {
      const tree = await moduleTree(kernel.directory);
      const files = await moduleFiles(tree.directory, signal);
      const archive = cpio([
        { kind: "directory", path: "dev", mode: 0o755 },
        { kind: "character", path: "dev/console", mode: 0o600, device: [5, 1] },
        { kind: "file", path: "init", mode: 0o755, data: guest.content },
        { kind: "file", path: "modules.list", mode: 0o644, data: moduleList(files) },
        { kind: "directory", path: "modules", mode: 0o755 },
        ...files,
      ]);
      await writeFile(join(directory, initrdFile), archive, { mode: 0o444 });
    },
  };
}

/** The static program that is PID 1, and its SHA-256. */
export interface GuestBinary {
  readonly content: Buffer;
  readonly hash: string;
}

type FileEntry = Extract<CpioEntry, { kind: "file" }>;

async function moduleFiles(directory: string, signal: AbortSignal): Promise<readonly FileEntry[]> {
  const dependencies = await readFile(join(directory, "modules.dep"), "utf8");
  const builtin = await readFile(join(directory, "modules.builtin"), "utf8");
  const order = moduleOrder(modules, { dependencies, builtin });
  return Promise.all(
    order.map(async (file) => {
      const source = join(directory, file);
      const data = await readModule(source, signal);
      const path = `modules/${basename(file).replace(/\.ko.*$/, ".ko")}`;
      return { kind: "file", path, mode: 0o644, data } as const;
    }),
  );
}

async function readModule(path: string, signal: AbortSignal): Promise<Buffer> {
  if (!path.endsWith(".xz")) return readFile(path);
  return runTool("xz", ["--decompress", "--stdout", path], { doing: `unpack ${path}`, signal });
}

/** One absolute path a line, in the order of loading. */
function moduleList(files: readonly FileEntry[]): Buffer {
  return Buffer.from(files.map(({ path }) => `/${path}\n`).join(""));
}
