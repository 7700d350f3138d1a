import { limits, type OpenParams } from "@skerry/protocol";

import { fileInfo } from "../files/info.ts";
import { pieces } from "../streams/incoming-stream.ts";
import type { CallContext, Handlers } from "./handler.ts";

type HandleMethod =
  | "open"
  | "create"
  | "fileClose"
  | "fileLock"
  | "fileUnlock"
  | "fileRead"
  | "fileWrite"
  | "fileSeek"
  | "fileStat"
  | "fileSync"
  | "fileSyncData"
  | "fileTruncate"
  | "fileUtime";

/** Open files. */
export const fileHandleHandlers: Handlers<HandleMethod> = {
  async open({ path, options }, context) {
    const { write, append } = options ?? {};
    // As `Deno.open`: what is to be neither written nor appended to is to be read.
    const read = options?.read ?? (write !== true && append !== true);
    return { fileHandleId: await open({ ...options, path, read }, context) };
  },
  async create({ path }, context) {
    const options = { read: true, write: true, create: true, truncate: true };
    return { fileHandleId: await open({ path, ...options }, context) };
  },
  async fileClose({ fileHandleId }, { handles }) {
    await handles.close(fileHandleId);
    return null;
  },
  async fileLock({ fileHandleId, exclusive }, { handles, guest, signal }) {
    const { guestHandle: handle } = handles.get(fileHandleId);
    await guest.call("file.lock", { handle, exclusive: exclusive === true }, signal);
    return null;
  },
  async fileUnlock({ fileHandleId }, { handles, guest, signal }) {
    const { guestHandle: handle } = handles.get(fileHandleId);
    await guest.call("file.unlock", { handle }, signal);
    return null;
  },
  async fileRead({ fileHandleId, length }, { handles, guest, signal, dialect }) {
    const { guestHandle, lane } = handles.get(fileHandleId);
    if (length === 0) return { data: "" };
    using _turn = await lane.enter(signal);
    const most = Math.min(length, limits.handleReadBytesMax);
    const bytes = await guest.readHandle(guestHandle, most, signal);
    // The Python client cannot read the null that the other one takes for the end of the file.
    if (bytes.length === 0 && dialect !== "python") return { data: null };
    return { data: Buffer.from(bytes).toString("base64") };
  },
  async fileWrite({ fileHandleId, data }, { handles, guest, signal }) {
    const { guestHandle, lane } = handles.get(fileHandleId);
    using _turn = await lane.enter(signal);
    const content = pieces(Buffer.from(data, "base64"));
    return { bytesWritten: await guest.writeHandle(guestHandle, content, signal) };
  },
  async fileSeek({ fileHandleId, offset, whence }, { handles, guest, signal }) {
    const { guestHandle: handle, lane } = handles.get(fileHandleId);
    using _turn = await lane.enter(signal);
    return { position: await guest.call("file.seek", { handle, offset, whence }, signal) };
  },
  async fileStat({ fileHandleId }, { handles, guest, signal }) {
    const { guestHandle: handle } = handles.get(fileHandleId);
    return fileInfo(await guest.call("file.stat", { handle }, signal));
  },
  async fileSync({ fileHandleId }, { handles, guest, signal }) {
    const { guestHandle: handle, lane } = handles.get(fileHandleId);
    using _turn = await lane.enter(signal);
    await guest.call("file.sync", { handle }, signal);
    return null;
  },
  async fileSyncData({ fileHandleId }, { handles, guest, signal }) {
    const { guestHandle: handle, lane } = handles.get(fileHandleId);
    using _turn = await lane.enter(signal);
    await guest.call("file.sync", { handle, dataOnly: true }, signal);
    return null;
  },
  async fileTruncate({ fileHandleId, len, size }, { handles, guest, signal }) {
    const { guestHandle: handle, lane } = handles.get(fileHandleId);
    using _turn = await lane.enter(signal);
    await guest.call("file.truncate", { handle, length: len ?? size ?? 0 }, signal);
    return null;
  },
  async fileUtime({ fileHandleId, atime, mtime }, { handles, guest, signal }) {
    const { guestHandle: handle } = handles.get(fileHandleId);
    await guest.call("file.utime", { handle, atimeMs: atime, mtimeMs: mtime }, signal);
    return null;
  },
};

function open(params: OpenParams, { handles, guest, signal }: CallContext): Promise<number> {
  return handles.add(() => guest.call("fs.open", params, signal));
}
