import { runTool } from "./tool.ts";

/**
 * Removes a tree, and never leaves the file system it is on: a build has had mounts below it. Cleaning up is not
 * interrupted.
 */
export async function removeTree(path: string): Promise<void> {
  const { signal } = new AbortController();
  const args = ["-rf", "--one-file-system", "--", path];
  await runTool("rm", args, { doing: `remove ${path}`, signal });
}
