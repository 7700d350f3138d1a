import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { ImageError } from "./errors.ts";
import { hashDirectory } from "./key.ts";
import type { NpmPackage } from "./npm-package.ts";

const recipesDirectory = fileURLToPath(new URL("../../../../images/", import.meta.url));
const prefix = "builtin:";

/** A recipe as its directory has it: `images/debian-13` for `builtin:debian-13`. */
export interface Recipe {
  /** `builtin:debian-13` */
  readonly name: string;
  readonly directory: string;
  /** Debian's release, its code name. */
  readonly suite: string;
  /** The meta package of the kernel that machines of this image run. */
  readonly kernel: string;
  /** Debian packages on top of the essential ones. */
  readonly packages: readonly string[];
  /** Packages of the npm registry that `customize.sh` finds unpacked, by the name of their directory. */
  readonly npm: Readonly<Record<string, NpmPackage>>;
  /** Of every file of the recipe. */
  readonly hash: string;
}

interface RecipeFile {
  readonly suite: string;
  readonly kernel: string;
  readonly npm: Readonly<Record<string, NpmPackage>>;
}

/**
 * Reads a recipe.
 * @throws ImageError `unknown_image`, `bad_recipe`
 */
export async function readRecipe(name: string): Promise<Recipe> {
  const known = await recipeNames();
  if (!known.includes(name)) {
    throw new ImageError(
      "unknown_image",
      `there is no image ${name}; there is ${known.join(", ")}`,
    );
  }
  const directory = join(recipesDirectory, name.slice(prefix.length));
  try {
    // The recipe is part of this repository and read with it: its shape is not an input.
    const file = JSON.parse(await readFile(join(directory, "recipe.json"), "utf8")) as RecipeFile;
    const packages = parseList(await readFile(join(directory, "packages.txt"), "utf8"));
    return { name, directory, ...file, packages, hash: await hashDirectory(directory) };
  } catch (cause) {
    const message = `the recipe in ${directory} is not readable; restore it from the repository`;
    throw new ImageError("bad_recipe", message, { cause });
  }
}

/** The names of all recipes. */
export async function recipeNames(): Promise<readonly string[]> {
  const entries = await readdir(recipesDirectory, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => `${prefix}${entry.name}`);
}

/** One entry a line; `#` starts a comment. */
export function parseList(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim())
    .filter(Boolean);
}
