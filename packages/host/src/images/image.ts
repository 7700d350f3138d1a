import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { diskFile, diskPart } from "./disk.ts";
import { editorFile, editorPart } from "./editor-part.ts";
import { isStaticProgram } from "./elf.ts";
import { ImageError } from "./errors.ts";
import { initrdFile, initrdPart, type GuestBinary } from "./initrd.ts";
import { kernelFiles, kernelPart } from "./kernel.ts";
import { deriveKey, sha256 } from "./key.ts";
import { recordImage } from "./list.ts";
import { readRecipe } from "./recipe.ts";
import { rootFile, rootfsPart } from "./rootfs.ts";
import { runtimeFile, runtimePart } from "./runtime.ts";
import { PartStore, type Part, type PartKind, type PartRecipe } from "./store.ts";

/** Everything a machine of an image boots from. Paths are absolute, and no file changes once it is there. */
export interface MachineImage {
  /** `builtin:debian-13` */
  readonly name: string;
  /** Changes when any part is another one, hex. */
  readonly key: string;
  /** Uncompressed vmlinux, ELF with the PVH note. */
  readonly kernel: string;
  /** Uncompressed cpio: /init, /modules.list and the modules it names in order. */
  readonly initrd: string;
  /** EROFS: the first disk. */
  readonly root: string;
  /** EROFS with `bin/skerry-guest` and `lib/modules`: the third disk. */
  readonly runtime: string;
  /** 10 GiB of empty ext4, sparse: what the second disk, the writable one, is an overlay on. */
  readonly disk: string;
  /** The fourth disk, for the editor: empty until {@link fillEditor} has filled it. */
  readonly editor: string;
}

/** Told what is going on; steps overlap. `done` is sent once for each step that was not there before. */
export interface Progress {
  (event: { readonly step: string; readonly detail?: string; readonly done?: boolean }): void;
}

/** Options of {@link ensureImage}. */
export interface EnsureImageOptions {
  /** `builtin:debian-13` */
  readonly name: string;
  /** SKERRY_HOME. */
  readonly home: string;
  /** A static program: PID 1 of each machine. What does not need it is built while it is awaited. */
  readonly guestBinary: string | Promise<string>;
  /** Certificate authorities that machines trust beside those of this host, PEM. Default: none. */
  readonly roots?: readonly string[];
  readonly progress?: Progress;
  readonly signal: AbortSignal;
}

const stepOf = {
  kernel: "kernel",
  rootfs: "root file system",
  runtime: "runtime disk",
  initrd: "initial RAM disk",
  disk: "empty disk",
  editor: "editor's empty disk",
} as const satisfies Record<PartKind, string>;

/**
 * The files of an image, built as far as they are not there. Takes about a minute and a half from nothing, and
 * milliseconds when nothing has changed. It may be interrupted at any instant and run again; builds in other
 * processes are waited for.
 * @throws ImageError with any of its codes; the signal's reason when it aborts
 */
export async function ensureImage(options: EnsureImageOptions): Promise<MachineImage> {
  const { name, home, roots = [], progress = () => undefined } = options;
  const guest = readGuest(options.guestBinary);
  // It is awaited below, and when it fails before that, that is where it is said.
  guest.catch(() => undefined);
  const recipe = await readRecipe(name);

  // When one part fails the others stop; this returns after they have.
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const store = await PartStore.open(join(home, "images"), signal);
  const ensure = async (part: PartRecipe): Promise<Part> => {
    const step = stepOf[part.kind];
    let isShown = false;
    const show = (detail?: string): void => {
      isShown = true;
      progress(detail === undefined ? { step } : { step, detail });
    };
    const build = async (directory: string): Promise<void> => {
      show();
      await part.build(directory);
    };
    const onWait = (): void => show("another process is building it");
    const built = await store.ensure({ ...part, build }, onWait);
    if (isShown) progress({ step, done: true });
    return built;
  };

  const ensureRoot = async (): Promise<Part> => {
    const report = (detail: string): void => progress({ step: stepOf.rootfs, detail });
    return ensure(await rootfsPart(recipe, { roots, report, signal }));
  };
  const ensureBoot = async (): Promise<BootParts> => {
    const disk = await ensure(diskPart(signal));
    const editor = await ensure(await editorPart());
    const kernel = await ensure(kernelPart(recipe, signal));
    const inputs = { kernel, guest: await guest };
    const initrd = await ensure(initrdPart(inputs, signal));
    const runtime = await ensure(await runtimePart(inputs, signal));
    return { kernel, initrd, runtime, disk, editor };
  };
  const [rootfs, boot] = await Promise.all(
    await allSettled([ensureRoot(), ensureBoot(), guest] as const, failed),
  );
  options.signal.throwIfAborted();
  const parts = { ...boot, rootfs };
  const image = machineImage(name, parts);
  await recordImage(store.directory, image, Object.values(parts));
  return image;
}

type BootParts = Readonly<Record<Exclude<PartKind, "rootfs">, Part>>;

/** Waits until all have settled. The first that fails aborts `failed`, and is what the result rejects with. */
async function allSettled<T extends readonly Promise<unknown>[]>(
  builds: T,
  failed: AbortController,
): Promise<T> {
  for (const build of builds) build.catch((error: unknown) => failed.abort(error));
  await Promise.allSettled(builds);
  failed.signal.throwIfAborted();
  return builds;
}

function machineImage(name: string, parts: Readonly<Record<PartKind, Part>>): MachineImage {
  const { kernel, initrd, rootfs, runtime, disk, editor } = parts;
  const builds = Object.values(parts).map(({ kind, buildId }) => [kind, buildId]);
  return {
    name,
    key: deriveKey(Object.fromEntries(builds)),
    kernel: join(kernel.directory, kernelFiles.vmlinux),
    initrd: join(initrd.directory, initrdFile),
    root: join(rootfs.directory, rootFile),
    runtime: join(runtime.directory, runtimeFile),
    disk: join(disk.directory, diskFile),
    editor: join(editor.directory, editorFile),
  };
}

async function readGuest(given: string | Promise<string>): Promise<GuestBinary> {
  const path = await given;
  try {
    const content = await readFile(path);
    if (isStaticProgram(content)) return { content, hash: sha256(content) };
  } catch (cause) {
    const message = `the guest binary ${path} is not readable; build it with npm start`;
    throw new ImageError("bad_guest", message, { cause });
  }
  const message = `the guest binary ${path} is no static x86_64 program; build it for a musl target`;
  throw new ImageError("bad_guest", message);
}
