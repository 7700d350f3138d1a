import { limits, type DirEntry } from "@skerry/protocol";

import { throwing } from "../failures.ts";
import { fileInfo, typeFlags } from "../files/info.ts";
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
  | "truncate"
  | "chown"
  | "link"
  | "umask"
  | "utime";

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
  async chown({ path, uid, gid }, { guest, signal }) {
    await guest.call("fs.chown", { path, uid: uid ?? null, gid: gid ?? null }, signal);
    return null;
  },
  async link({ target, path }, { guest, signal }) {
    await guest.call("fs.link", { from: target, to: path }, signal);
    return null;
  },
  async umask({ mask }, { guest, signal }) {
    return await guest.call("fs.umask", { mask }, signal);
  },
  async utime({ path, atime, mtime }, { guest, signal }) {
    await guest.call("fs.utime", { path, atimeMs: atime, mtimeMs: mtime }, signal);
    return null;
  },
};
