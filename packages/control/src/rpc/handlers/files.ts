import { limits, type DirEntry, type FileInfo, type FileStat } from "@skerry/protocol";

import { throwing } from "../failures.ts";
import type { Handlers } from "./handler.ts";

type FileMethod =
  | "readDir"
  | "mkdir"
  | "remove"
  | "rename"
  | "stat"
  | "lstat"
  | "chmod"
  | "copyFile"
  | "realPath"
  | "makeTempDir"
  | "makeTempFile"
  | "symlink"
  | "readLink"
  | "truncate";

/** Everything about files but their content. */
export const fileHandlers: Handlers<FileMethod> = {
  async readDir({ path }, { guest, signal }) {
    const entries: DirEntry[] = [];
    for await (const batch of await guest.readDirectory(path, signal)) {
      for (const { name, kind } of batch) entries.push({ name, ...typeFlags(kind) });
      if (entries.length > limits.directoryEntriesMax) {
        const message = `'${path}' has more than ${limits.directoryEntriesMax} entries; list it with a command`;
        throw throwing("RangeError", message, "EFBIG");
      }
    }
    return entries;
  },
  async mkdir({ path, options }, { guest, signal }) {
    const { recursive, mode } = options ?? {};
    await guest.call("fs.mkdir", { path, recursive, mode }, signal);
    return null;
  },
  async remove({ path, options }, { guest, signal }) {
    await guest.call("fs.remove", { path, recursive: options?.recursive }, signal);
    return null;
  },
  async rename({ oldPath, newPath }, { guest, signal }) {
    await guest.call("fs.rename", { from: oldPath, to: newPath }, signal);
    return null;
  },
  async stat({ path }, { guest, signal }) {
    return fileInfo(await guest.call("fs.stat", { path }, signal));
  },
  async lstat({ path }, { guest, signal }) {
    return fileInfo(await guest.call("fs.lstat", { path }, signal));
  },
  async chmod({ path, mode }, { guest, signal }) {
    await guest.call("fs.chmod", { path, mode }, signal);
    return null;
  },
  async copyFile({ fromPath, toPath }, { guest, signal }) {
    await guest.call("fs.copy", { from: fromPath, to: toPath }, signal);
    return null;
  },
  async realPath({ path }, { guest, signal }) {
    return await guest.call("fs.realPath", { path }, signal);
  },
  async makeTempDir({ options }, { guest, signal }) {
    const { dir, prefix, suffix } = options ?? {};
    return await guest.call("fs.makeTemp", { dir, prefix, suffix, directory: true }, signal);
  },
  async makeTempFile({ options }, { guest, signal }) {
    const { dir, prefix, suffix } = options ?? {};
    return await guest.call("fs.makeTemp", { dir, prefix, suffix, directory: false }, signal);
  },
  async symlink({ target, path }, { guest, signal }) {
    await guest.call("fs.symlink", { target, path }, signal); // its `type` means something on Windows only
    return null;
  },
  async readLink({ path }, { guest, signal }) {
    return await guest.call("fs.readLink", { path }, signal);
  },
  async truncate({ name, length }, { guest, signal }) {
    await guest.call("fs.truncate", { path: name, length }, signal);
    return null;
  },
};

function fileInfo(stat: FileStat): FileInfo {
  const { kind, size, mode, dev, ino, nlink, uid, gid, rdev, blksize, blocks } = stat;
  return {
    ...typeFlags(kind),
    ...{ size, mode, dev, ino, nlink, uid, gid, rdev, blksize, blocks },
    mtime: time(stat.mtimeMs),
    atime: time(stat.atimeMs),
    birthtime: time(stat.birthtimeMs ?? stat.ctimeMs), // clients cannot read a file without one
    ctime: time(stat.ctimeMs),
    isBlockDevice: kind === "block",
    isCharDevice: kind === "char",
    isFifo: kind === "fifo",
    isSocket: kind === "socket",
  };
}

function typeFlags(kind: FileStat["kind"]): Omit<DirEntry, "name"> {
  return {
    isFile: kind === "file",
    isDirectory: kind === "directory",
    isSymlink: kind === "symlink",
  };
}

const latestMs = 8.64e15; // the range of Date

function time(ms: number): string {
  return new Date(Math.min(Math.max(ms, -latestMs), latestMs)).toISOString();
}
