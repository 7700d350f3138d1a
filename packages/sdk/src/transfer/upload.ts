import { createReadStream } from "node:fs";
import { lstat, opendir, readlink, realpath } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, posix, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

import { OperationError } from "../errors.ts";
import type { FileInfo } from "../file-info.ts";
import type { SandboxFiles } from "../files.ts";
import { Transfer, type TransferOptions, type TransferResult } from "./transfer.ts";

/** @internal See `SandboxFiles.upload`. */
export async function upload(
  files: SandboxFiles,
  localPath: string | URL,
  sandboxPath: string,
  options: TransferOptions,
): Promise<TransferResult> {
  const transfer = new Transfer(options);
  const root = await realpath(localPath instanceof URL ? fileURLToPath(localPath) : localPath);
  const { isDirectory } = await kindOf(root);
  const upload: Upload = { files, transfer, root };
  return await transfer.whole(async () => {
    const name = basename(root);
    if (isDirectory) {
      const target = options.into === false ? sandboxPath : posix.join(sandboxPath, name);
      await uploadDirectory(upload, root, target);
    } else {
      await uploadEntry(upload, root, await fileTarget(files, sandboxPath, name));
    }
  });
}

/** Where a single file goes: into a directory that is there, else under the name that is given. */
async function fileTarget(files: SandboxFiles, path: string, name: string): Promise<string> {
  const isDirectory = path.endsWith("/") || (await statOf(files, path))?.isDirectory === true;
  const target = isDirectory ? posix.join(path, name) : path;
  const parent = posix.dirname(target);
  if ((await statOf(files, parent)) === null) await files.mkdir(parent, { recursive: true });
  return target;
}

async function statOf(files: SandboxFiles, path: string): Promise<FileInfo | null> {
  try {
    return await files.stat(path);
  } catch (error) {
    if (error instanceof OperationError && error.code === "ENOENT") return null;
    throw error;
  }
}

interface Upload {
  readonly files: SandboxFiles;
  readonly transfer: Transfer;
  /** The local file or directory. */
  readonly root: string;
}

async function uploadDirectory(upload: Upload, local: string, target: string): Promise<void> {
  const { files, transfer } = upload;
  transfer.check();
  const { mode } = await kindOf(local);
  await files.mkdir(target, { recursive: true, mode: mode | 0o700 }); // it is about to be written to
  transfer.directoryDone();
  const directories: string[] = [];
  for await (const entry of await opendir(local)) {
    if (entry.isDirectory()) directories.push(entry.name);
    else await uploadEntry(upload, join(local, entry.name), posix.join(target, entry.name));
  }
  for (const name of directories) {
    await uploadDirectory(upload, join(local, name), posix.join(target, name));
  }
}

async function uploadEntry(upload: Upload, local: string, target: string): Promise<void> {
  const { files, transfer, root } = upload;
  await transfer.run(async () => {
    const { isFile, isLink, mode } = await kindOf(local);
    if (isLink) {
      await makeLink(files, await linkTarget(local, root), target);
      transfer.linkDone();
    } else if (isFile) {
      const content = transfer.counted(local, contentOf(local));
      await files.writeFile(target, content, { mode, signal: transfer.signal });
      transfer.fileDone(local);
    } else {
      transfer.skip(local, "it is neither a file, a directory nor a link");
    }
  });
}

/** Opens the file when it is first read from: a write that is refused before that leaves nothing open, and nothing to fail. */
async function* contentOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  yield* createReadStream(path, { highWaterMark: 262_144 });
}

/** A link that is there from an earlier upload gives way. */
async function makeLink(files: SandboxFiles, to: string, target: string): Promise<void> {
  const before = await files.lstat(target).catch(() => null);
  if (before?.isSymlink === true) await files.remove(target);
  await files.symlink(to, target);
}

/**
 * What a link says; one that is absolute and leads to what is copied too, as seen from where it is, so
 * that it leads to the same place in the copy.
 */
async function linkTarget(link: string, root: string): Promise<string> {
  const to = await readlink(link);
  if (!isAbsolute(to)) return to.split(sep).join("/");
  const real = await realpath(link).catch(() => null);
  const isInside = real !== null && real.startsWith(root + sep);
  return (isInside ? relative(dirname(link), real) : to).split(sep).join("/");
}

async function kindOf(path: string) {
  const found = await lstat(path);
  return {
    isDirectory: found.isDirectory(),
    isFile: found.isFile(),
    isLink: found.isSymbolicLink(),
    mode: found.mode & 0o777,
  };
}
