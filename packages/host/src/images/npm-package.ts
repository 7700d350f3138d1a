import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";

import { ImageError } from "./errors.ts";
import { runTool } from "./tool.ts";

/** A pinned package of the npm registry. */
export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** `sha512-…`, as in a lockfile. */
  readonly integrity: string;
}

/**
 * Downloads a package with npm (its mirror, proxy and cache), compares it with the pinned hash, and unpacks it into
 * a directory that this makes. No script of the package runs.
 * @throws ImageError `download_failed`
 */
export async function unpackNpmPackage(
  { name, version, integrity }: NpmPackage,
  { into, signal }: { into: string; signal: AbortSignal },
): Promise<void> {
  const scratch = `${into}.download`;
  await mkdir(into, { recursive: true });
  await mkdir(scratch, { recursive: true });
  const spec = `${name}@${version}`;
  await runTool("npm", ["pack", spec, "--ignore-scripts", "--silent"], {
    doing: `download ${spec}`,
    hint: "check that npm reaches its registry: npm ping",
    cwd: scratch,
    signal,
  });
  const file = (await readdir(scratch)).find((entry) => entry.endsWith(".tgz"));
  if (file === undefined)
    throw new ImageError("download_failed", `npm pack gave no ${spec}; try npm ping`);
  const tarball = join(scratch, file);
  if (integrityOf(await readFile(tarball)) !== integrity) {
    const message = `${spec} from the npm registry is not the pinned package; do not use this registry`;
    throw new ImageError("download_failed", message);
  }
  const args = [
    "--extract",
    "--gzip",
    "--file",
    tarball,
    "--directory",
    into,
    "--strip-components=1",
  ];
  await runTool("tar", [...args, "--no-same-owner"], { doing: `unpack ${spec}`, signal });
  await rm(scratch, { recursive: true });
}

/** The hash of a tarball in the form of a lockfile. */
export function integrityOf(tarball: Buffer): string {
  return `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
}
