import { runTool } from "./tool.ts";

/**
 * Packs a directory into an EROFS file: read-only, not compressed (decompression in an emulated guest costs more than
 * reading), owners and extended attributes as they are.
 */
export async function packErofs(
  directory: string,
  { output, uuid, doing, signal }: ErofsOptions,
): Promise<void> {
  const args = ["--quiet", "-U", uuid, output, directory];
  const hint = "see that the disk has room";
  await runTool("mkfs.erofs", args, { doing, hint, signal });
}

interface ErofsOptions {
  readonly output: string;
  readonly uuid: string;
  readonly doing: string;
  readonly signal: AbortSignal;
}
