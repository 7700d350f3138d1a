import { chmod, mkdir, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { hostAptOptions, hostMirrors, sourceLines } from "./apt.ts";
import { extraCertificates, hostCertificates, type RootCertificate } from "./certificates.ts";
import { packErofs } from "./erofs.ts";
import { ImageError } from "./errors.ts";
import { unpackNpmPackage } from "./npm-package.ts";
import type { Recipe } from "./recipe.ts";
import { type PartRecipe } from "./store.ts";
import { runTool } from "./tool.ts";
import { removeTree } from "./tree.ts";

/** The file of a root part. */
export const rootFile = "root.erofs";

const uuid = "5ce21a00-0000-4000-8000-000000000003";
const freeMinMiB = 4_096;
const deadlineMs = 45 * 60_000;

/**
 * The root file system: Debian by mmdebstrap, then the recipe's `customize.sh`. Trusts the certificate authorities
 * that this host trusts, and `roots`.
 * @throws ImageError `not_permitted` when not root, `no_space` when there is clearly too little room
 */
export async function rootfsPart(
  recipe: Recipe,
  {
    roots,
    report,
    signal,
  }: {
    readonly roots: readonly string[];
    readonly report: (detail: string) => void;
    readonly signal: AbortSignal;
  },
): Promise<PartRecipe> {
  const certificates = [...(await hostCertificates()), ...extraCertificates(roots.join("\n"), "")];
  return {
    kind: "rootfs",
    inputs: { recipe: recipe.hash, certificates: certificates.map(({ pem }) => pem).join("") },
    build: async (directory) => {
      await checkHost(directory);
      const inputs = join(directory, "inputs");
      const tree = join(directory, "tree");
      report("Node, Deno and npm");
      await prepareInputs(recipe, { inputs, certificates, signal });
      await debootstrap(recipe, { inputs, tree, report, signal });
      report("packing");
      const output = join(directory, rootFile);
      await packErofs(tree, { output, uuid, doing: "pack the root file system", signal });
      await chmod(output, 0o444);
      await removeTree(tree);
      await removeTree(inputs);
    },
  };
}

async function checkHost(directory: string): Promise<void> {
  if (process.geteuid?.() !== 0) {
    throw new ImageError("not_permitted", "building an image needs root: run it with sudo");
  }
  const { bavail, bsize } = await statfs(directory);
  const freeMiB = Math.floor((bavail * bsize) / 1_048_576);
  if (freeMiB < freeMinMiB) {
    const message = `building an image needs ${freeMinMiB} MiB of disk below ${directory}, and ${freeMiB} are free`;
    throw new ImageError("no_space", `${message}; free some or choose another SKERRY_HOME`);
  }
}

interface Inputs {
  readonly inputs: string;
  readonly certificates: readonly RootCertificate[];
  readonly signal: AbortSignal;
}

async function prepareInputs(
  recipe: Recipe,
  { inputs, certificates, signal }: Inputs,
): Promise<void> {
  await mkdir(join(inputs, "certificates"), { recursive: true });
  for (const { file, pem } of certificates) {
    await writeFile(join(inputs, "certificates", file), pem);
  }
  for (const [name, npmPackage] of Object.entries(recipe.npm)) {
    await unpackNpmPackage(npmPackage, { into: join(inputs, name), signal });
  }
}

interface Debootstrap {
  readonly inputs: string;
  readonly tree: string;
  readonly report: (detail: string) => void;
  readonly signal: AbortSignal;
}

async function debootstrap(
  recipe: Recipe,
  { inputs, tree, report, signal }: Debootstrap,
): Promise<void> {
  const sources = join(inputs, "sources.list");
  const lines = sourceLines(recipe.suite, await hostMirrors());
  await writeFile(sources, lines.map((line) => `${line}\n`).join(""));
  const options = [
    'Acquire::Languages "none"',
    'Acquire::Retries "3"',
    ...(await hostAptOptions(signal)),
  ];
  const args = [
    "--mode=root",
    "--variant=minbase",
    "--format=directory",
    "--architectures=amd64",
    `--include=${recipe.packages.join(",")}`,
    ...options.map((option) => `--aptopt=${option}`),
    // Packages unpack under the same exclusions that the image keeps.
    `--dpkgopt=${join(recipe.directory, "files/etc/dpkg/dpkg.cfg.d/90skerry")}`,
    '--customize-hook=sh "$SKERRY_RECIPE/customize.sh" "$1"',
    recipe.suite,
    tree,
    sources,
  ];
  await runTool("mmdebstrap", args, {
    doing: "build the root file system",
    hint: "check that this host reaches its Debian mirror",
    env: { SKERRY_RECIPE: recipe.directory, SKERRY_INPUTS: inputs },
    isolated: true,
    deadlineMs,
    onLine: (line) => {
      const step = /^I: (.+?)\.*$/.exec(line)?.[1];
      if (step !== undefined) report(step);
    },
    signal,
  });
}
