import type { FileInfo as WireFileInfo } from "@skerry/protocol";

/** What `stat` tells of a file. Sizes in bytes; `blocks` in units of 512 bytes. */
export interface FileInfo extends Omit<WireFileInfo, "mtime" | "atime" | "birthtime" | "ctime"> {
  readonly mtime: Date;
  readonly atime: Date;
  readonly birthtime: Date;
  readonly ctime: Date;
}

/** @internal */
export function infoOf(info: WireFileInfo): FileInfo {
  return {
    ...info,
    mtime: new Date(info.mtime),
    atime: new Date(info.atime),
    birthtime: new Date(info.birthtime),
    ctime: new Date(info.ctime),
  };
}
