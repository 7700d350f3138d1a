import { posix } from "node:path";

import {
  Transfer,
  type SandboxFiles,
  type TransferOptions,
  type TransferResult,
} from "@skerry/sdk";

/** Copies from one sandbox to another through this process, a piece at a time. */
export async function relay(
  from: SandboxFiles,
  source: string,
  to: SandboxFiles,
  target: string,
  options: TransferOptions,
): Promise<TransferResult> {
  const transfer = new Transfer(options);
  const root = await from.realPath(source);
  const { isDirectory } = await from.stat(root);
  return await transfer.whole(async () => {
    if (isDirectory) await relayTree(from, root, to, target, transfer);
    else await copyFile(from, root, to, target, transfer);
  });
}

async function relayTree(
  from: SandboxFiles,
  root: string,
  to: SandboxFiles,
  target: string,
  transfer: Transfer,
): Promise<void> {
  for await (const entry of from.walk(root)) {
    transfer.check();
    const inner = posix.relative(root, entry.path);
    // What a sandbox tells of its files must not lead out of the copy in the other one.
    if (inner.startsWith("..") || posix.isAbsolute(inner)) {
      transfer.skip(entry.path, "its name leads out of the target");
      continue;
    }
    const path = posix.join(target, inner);
    if (entry.isDirectory) {
      await to.mkdir(path, { recursive: true });
      transfer.directoryDone();
    } else if (entry.isSymlink) {
      await to.remove(path).catch(() => {}); // one of an earlier copy gives way
      await to.symlink(await from.readLink(entry.path), path);
      transfer.linkDone();
    } else if (entry.isFile) {
      await transfer.run(() => copyFile(from, entry.path, to, path, transfer));
    } else {
      transfer.skip(entry.path, "it is neither a file, a directory nor a link");
    }
  }
}

async function copyFile(
  from: SandboxFiles,
  source: string,
  to: SandboxFiles,
  target: string,
  transfer: Transfer,
): Promise<void> {
  const { signal } = transfer;
  const { info, content } = await from.openRead(source, { signal });
  await to.writeFile(target, transfer.counted(source, content), {
    mode: info.mode & 0o777,
    signal,
  });
  transfer.fileDone(source);
}
