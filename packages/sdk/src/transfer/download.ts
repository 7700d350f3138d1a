import { constants, type Stats } from "node:fs";
import { lstat, mkdir, open, symlink, unlink, stat } from "node:fs/promises";
import { dirname, join, posix, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import type { WalkEntry } from "@skerry/protocol";

import { OperationError } from "../errors.ts";
import type { SandboxFiles } from "../files.ts";
import { Transfer, type TransferOptions, type TransferResult } from "./transfer.ts";

/**
 * @internal See `SandboxFiles.download`. Everything that the sandbox says is taken for a lie that was
 * made to write somewhere else: names are checked one by one, nothing is written below what this has
 * not made itself, files are opened without following links, and links are made last, and only those that stay inside.
 */
export async function download(
  files: SandboxFiles,
  sandboxPath: string,
  localPath: string | URL,
  options: TransferOptions,
): Promise<TransferResult> {
  const transfer = new Transfer(options);
  const local = resolve(localPath instanceof URL ? fileURLToPath(localPath) : localPath);
  const root = await files.realPath(sandboxPath);
  const { isDirectory, mode } = await files.lstat(root);
  const name = posix.basename(root);
  return await transfer.whole(async () => {
    if (!isDirectory) {
      await downloadFile(files, root, await fileTarget(local, localPath, name), transfer);
      return;
    }
    const isInto = options.into !== false && isName(name);
    await mkdir(isInto ? local : dirname(local), { recursive: true });
    const target = isInto ? join(local, name) : local;
    await new TreeDownload(files, root, target, transfer).run(mode);
  });
}

/** Where a single file goes: into a directory that is there, else under the name that is given. */
async function fileTarget(local: string, given: string | URL, name: string): Promise<string> {
  const isDirectory =
    String(given).endsWith("/") || (await stat(local).catch(() => null))?.isDirectory() === true;
  const target = isDirectory && isName(name) ? join(local, name) : local;
  await mkdir(dirname(target), { recursive: true });
  return target;
}

interface Link {
  /** In the sandbox. */
  readonly path: string;
  /** Below the target. */
  readonly parts: readonly string[];
}

class TreeDownload {
  readonly #files: SandboxFiles;
  readonly #root: string;
  readonly #target: string;
  readonly #transfer: Transfer;
  /** Directories that were made, by their path below the target. */
  readonly #made = new Set<string>();
  readonly #links: Link[] = [];

  constructor(files: SandboxFiles, root: string, target: string, transfer: Transfer) {
    this.#files = files;
    this.#root = root;
    this.#target = target;
    this.#transfer = transfer;
  }

  /** @param mode Of the directory itself. */
  async run(mode: number): Promise<void> {
    await this.#makeDirectory([], mode);
    for await (const entry of this.#files.walk(this.#root)) {
      this.#transfer.check();
      if (entry.path !== this.#root) await this.#take(entry);
    }
    await this.#transfer.settled(); // so that no file is written through one
    for (const link of this.#links) await this.#makeLink(link);
  }

  async #take({ path, isDirectory, isFile, isSymlink }: WalkEntry): Promise<void> {
    const parts = this.#partsOf(path);
    if (parts === null) {
      return this.#transfer.skip(path, "its name leads out of the target");
    }
    if (!this.#made.has(keyOf(parts.slice(0, -1)))) {
      return this.#transfer.skip(path, "what it is in is no directory of the copy");
    }
    if (isDirectory) return await this.#makeDirectory(parts, (await this.#files.lstat(path)).mode);
    if (isSymlink) return void this.#links.push({ path, parts });
    if (!isFile) {
      return this.#transfer.skip(path, "it is neither a file, a directory nor a link");
    }
    const local = join(this.#target, ...parts);
    await this.#transfer.run(() => downloadFile(this.#files, path, local, this.#transfer));
  }

  /** The names on the way from the root, when each is the name of one thing in a directory. */
  #partsOf(path: string): string[] | null {
    const prefix = this.#root === "/" ? "/" : `${this.#root}/`;
    if (!path.startsWith(prefix)) return null;
    const parts = path.slice(prefix.length).split("/");
    return parts.every(isName) ? parts : null;
  }

  async #makeDirectory(parts: readonly string[], mode: number): Promise<void> {
    const local = join(this.#target, ...parts);
    const before = await lookAt(local);
    if (before === undefined) await mkdir(local, { mode: (mode & 0o777) | 0o700 });
    else if (!before.isDirectory()) {
      // A link to somewhere else, perhaps, that was here before.
      return this.#transfer.skip(local, "there is something else in its place");
    }
    this.#made.add(keyOf(parts));
    this.#transfer.directoryDone();
  }

  async #makeLink({ path, parts }: Link): Promise<void> {
    const to = await this.#files.readLink(path);
    if (!staysInside(to, parts.length - 1)) {
      return this.#transfer.skip(path, `it leads out of the target, to ${JSON.stringify(to)}`);
    }
    const local = join(this.#target, ...parts);
    const before = await lookAt(local);
    if (before?.isSymbolicLink() === true) await unlink(local);
    else if (before !== undefined) {
      return this.#transfer.skip(path, "there is something else in its place");
    }
    await symlink(to, local);
    this.#transfer.linkDone();
  }
}

async function downloadFile(
  files: SandboxFiles,
  path: string,
  local: string,
  transfer: Transfer,
): Promise<void> {
  const opened = await openUnlessGone(files, path, transfer.signal);
  if (opened === undefined) return transfer.skip(path, "it has gone");
  const { info, content } = opened;
  if (!info.isFile) {
    await content.cancel(new Error("it is no file any more"));
    return transfer.skip(path, "it is no file any more");
  }
  const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_TRUNC, O_WRONLY } = constants;
  // A pipe that is here in place of the file fails at once: nobody is waited for.
  const flags = O_WRONLY | O_CREAT | O_TRUNC | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0);
  const file = await open(local, flags, info.mode & 0o777).catch(async (error: unknown) => {
    await content.cancel(error);
    throw error;
  });
  try {
    await file.chmod(info.mode & 0o777); // one that was here before has another
    for await (const chunk of transfer.counted(path, content)) await file.write(chunk);
  } finally {
    await file.close();
  }
  transfer.fileDone(path);
}

async function openUnlessGone(files: SandboxFiles, path: string, signal: AbortSignal | undefined) {
  try {
    return await files.openRead(path, { signal });
  } catch (error) {
    const isGone = error instanceof OperationError && /^(ENOENT|ENOTDIR)$/.test(error.code);
    if (isGone) return undefined;
    throw error;
  }
}

/**
 * Whether a link in a directory that is `depth` below the top stays below the top. It may climb only
 * before it descends: what it descends through may be links that lead up themselves.
 */
export function staysInside(to: string, depth: number): boolean {
  if (posix.isAbsolute(to) || to.includes("\0")) return false;
  const parts = to.split("/").filter((part) => part !== "" && part !== ".");
  const descent = parts.findIndex((part) => part !== "..");
  const climbed = descent < 0 ? parts.length : descent;
  return climbed <= depth && !parts.slice(climbed).includes("..");
}

/** Whether this names one thing in a directory, on this machine too. */
export function isName(name: string): boolean {
  return (
    name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name) && dirname(name) === "."
  );
}

function keyOf(parts: readonly string[]): string {
  return parts.join("/");
}

async function lookAt(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
