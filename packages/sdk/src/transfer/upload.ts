import { createReadStream } from "node:fs";
import { lstat, opendir, readlink, realpath } from "node:fs/promises";
import { basename, dirname, join, posix, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

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
  const isInto = options.into !== false && (isDirectory || sandboxPath.endsWith("/"));
  const target = isInto ? posix.join(sandboxPath, basename(root)) : sandboxPath;
  const upload: Upload = { files, transfer };
  if (isDirectory) await uploadDirectory(upload, root, target);
  else await uploadEntry(upload, root, target);
  return await transfer.finish();
}

interface Upload {
  readonly files: SandboxFiles;
  readonly transfer: Transfer;
}

async function uploadDirectory(upload: Upload, local: string, target: string): Promise<void> {
  const { files, transfer } = upload;
  transfer.check();
  await files.mkdir(target, { recursive: true });
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
  const { files, transfer } = upload;
  await transfer.run(async () => {
    const { isFile, isLink, mode } = await kindOf(local);
    if (isLink) {
      await makeLink(files, await linkTarget(local), target);
      transfer.linkDone();
    } else if (isFile) {
      const content = transfer.counted(local, createReadStream(local, { highWaterMark: 262_144 }));
      await files.writeFile(target, content, { mode, signal: transfer.signal });
      transfer.fileDone(local);
    } else {
      transfer.skip(local, "it is neither a file, a directory nor a link");
    }
  });
}

/** A link that is there from an earlier upload gives way. */
async function makeLink(files: SandboxFiles, to: string, target: string): Promise<void> {
  const before = await files.lstat(target).catch(() => null);
  if (before?.isSymlink === true) await files.remove(target);
  await files.symlink(to, target);
}

/** Where a link leads, seen from where it is, so that it leads to the same place in the copy. */
async function linkTarget(link: string): Promise<string> {
  const real = await realpath(link).catch(() => null);
  const to = real === null ? await readlink(link) : relative(dirname(link), real);
  return to.split(sep).join("/");
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
