import type { DirEntry, FileInfo, FileStat } from "@skerry/protocol";

/** What the guest says of a file, as clients know it. */
export function fileInfo(stat: FileStat): FileInfo {
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

export function typeFlags(kind: FileStat["kind"]): Omit<DirEntry, "name"> {
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
