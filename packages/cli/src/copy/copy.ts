import { stat } from "node:fs/promises";
import { basename, join, posix } from "node:path";

import {
  OperationError,
  type Sandbox,
  type TransferOptions,
  type TransferResult,
} from "@skerry/sdk";

import { CommandFailure } from "../failure.ts";
import { isGlob, type Operand } from "./operand.ts";
import { relay } from "./relay.ts";

/** Where sandboxes come from. */
export type Connect = (id: string) => Promise<Sandbox>;

/**
 * Copies each source to the target as `cp -r` does: into it when it is a directory, else under its
 * name.
 */
export async function copyAll(
  sources: readonly Operand[],
  target: Operand,
  connect: Connect,
  options: TransferOptions,
): Promise<TransferResult> {
  const found = (await Promise.all(sources.map((source) => expanded(source, connect)))).flat();
  const isInto = (await isDirectory(target, connect)) || target.path.endsWith("/");
  if (found.length > 1 && !isInto) {
    throw new CommandFailure(
      `${target.path} is no directory, and ${found.length} things cannot all become it`,
    );
  }
  const total = { files: 0, directories: 0, links: 0, skipped: 0, bytes: 0 };
  for (const source of found) {
    const to = isInto ? within(target, nameOf(source)) : target;
    const result = await copyOne(source, to, connect, options);
    for (const key of Object.keys(total) as (keyof TransferResult)[]) total[key] += result[key];
  }
  return total;
}

async function copyOne(
  source: Operand,
  target: Operand,
  connect: Connect,
  options: TransferOptions,
): Promise<TransferResult> {
  const asIs = { ...options, into: false };
  if (source.kind === "local" && target.kind === "sandbox") {
    return (await connect(target.id)).fs.upload(source.path, target.path, asIs);
  }
  if (source.kind === "sandbox" && target.kind === "local") {
    return (await connect(source.id)).fs.download(source.path, target.path, asIs);
  }
  if (source.kind === "sandbox" && target.kind === "sandbox") {
    const [from, to] = [await connect(source.id), await connect(target.id)];
    return await relay(from.fs, source.path, to.fs, target.path, options);
  }
  throw new CommandFailure(
    "one of the two has to be in a sandbox: ID:PATH",
    "Use cp for local copies.",
  );
}

/** A glob of a sandbox as what it matches. */
async function expanded(source: Operand, connect: Connect): Promise<readonly Operand[]> {
  if (source.kind === "local" || !isGlob(source.path)) return [source];
  const { fs } = await connect(source.id);
  const found: Operand[] = [];
  for await (const { path } of fs.expandGlob(source.path)) found.push({ ...source, path });
  if (found.length === 0) throw new CommandFailure(`nothing matches ${source.path}`);
  return found;
}

async function isDirectory(target: Operand, connect: Connect): Promise<boolean> {
  try {
    if (target.kind === "local") return (await stat(target.path)).isDirectory();
    return (await (await connect(target.id)).fs.stat(target.path)).isDirectory;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    if (error instanceof OperationError) throw new CommandFailure(error.message);
    throw error;
  }
}

function nameOf({ kind, path }: Operand): string {
  return kind === "local" ? basename(path) : posix.basename(posix.normalize(path));
}

function within(target: Operand, name: string): Operand {
  const path = target.kind === "local" ? join(target.path, name) : posix.join(target.path, name);
  return { ...target, path };
}
