import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { hasCode, ImageError } from "./errors.ts";
import { runTool } from "./tool.ts";

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
const reach = "check that this host reaches its Debian mirror";

/** Where Debian comes from. */
export interface Mirrors {
  readonly main: string;
  readonly security: string;
}

const debian: Mirrors = {
  main: "http://deb.debian.org/debian",
  security: "http://deb.debian.org/debian-security",
};

/**
 * The mirrors that this host's own apt uses, Debian's where it names none. `sources` is the text of all its
 * source files, of either format.
 */
export function mirrorsOf(sources: string): Mirrors {
  const uris = sources
    .split("\n")
    .filter((line) => /^\s*(deb\s|URIs:)/.test(line))
    .flatMap((line) => line.match(/https?:\/\/[^\s\]]+/g) ?? [])
    .map((uri) => uri.replace(/\/$/, ""));
  return {
    main: uris.find((uri) => uri.endsWith("/debian")) ?? debian.main,
    security: uris.find((uri) => uri.endsWith("/debian-security")) ?? debian.security,
  };
}

/** The lines of a sources.list for a release of Debian. */
export function sourceLines(suite: string, { main, security }: Mirrors): readonly string[] {
  const signed = `[signed-by=${keyring}]`;
  return [
    `deb ${signed} ${main} ${suite} main`,
    `deb ${signed} ${main} ${suite}-updates main`,
    `deb ${signed} ${security} ${suite}-security main`,
  ];
}

/** The mirrors of this host. */
export async function hostMirrors(): Promise<Mirrors> {
  const directory = "/etc/apt/sources.list.d";
  const names = (await readOr(readdir(directory), [])).map((name) => join(directory, name));
  const paths = [
    "/etc/apt/sources.list",
    ...names.filter((name) => /\.(list|sources)$/.test(name)),
  ];
  const texts = await Promise.all(paths.map((path) => readOr(readFile(path, "utf8"), "")));
  return mirrorsOf(texts.join("\n"));
}

/**
 * What this host has told its apt about fetching (proxies, and whether a mirror may be older than its dates
 * say), as options: a build reaches the mirrors the way the host does.
 */
export async function hostAptOptions(signal: AbortSignal): Promise<readonly string[]> {
  const dump = await runTool("apt-config", ["dump"], { doing: "read apt's configuration", signal });
  return dump
    .toString("utf8")
    .split("\n")
    .filter((line) => /^Acquire::(https?::|Check-|Retries|ForceIPv)/i.test(line))
    .filter((line) => !line.includes('""'))
    .map((line) => line.replace(/;\s*$/, ""));
}

/** A package index of its own, so that another release's packages can be fetched without touching the host's apt. */
export class AptFetcher {
  readonly #options: readonly string[];
  readonly #signal: AbortSignal;

  private constructor(options: readonly string[], signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  /** Fetches the index of a release into an empty directory. */
  static async open(directory: string, suite: string, signal: AbortSignal): Promise<AptFetcher> {
    const sources = join(directory, "sources.list");
    for (const name of ["lists/partial", "cache/archives/partial"]) {
      await mkdir(join(directory, name), { recursive: true });
    }
    await writeFile(
      sources,
      sourceLines(suite, await hostMirrors())
        .map((line) => `${line}\n`)
        .join(""),
    );
    const settings = [
      `Dir::State::Lists=${directory}/lists`,
      `Dir::Cache=${directory}/cache`,
      "Dir::State::status=/dev/null",
      `Dir::Etc::SourceList=${sources}`,
      "Dir::Etc::SourceParts=/dev/null",
      "Dir::Etc::Preferences=/dev/null",
      "Dir::Etc::PreferencesParts=/dev/null",
      "APT::Architecture=amd64",
      "APT::Sandbox::User=root",
      "Acquire::Languages=none",
      "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
      "Acquire::IndexTargets::deb::DEP-11-icons-small::DefaultEnabled=false",
      "Acquire::Retries=3",
    ];
    const fetcher = new AptFetcher(
      settings.flatMap((setting) => ["-o", setting]),
      signal,
    );
    const update = ["update", "--error-on=any"];
    await fetcher.#run("apt-get", update, "fetch Debian's package index", directory);
    return fetcher;
  }

  /** The name of the package that a meta package stands for: the one it depends on that starts with `prefix`. */
  async dependency(metaPackage: string, prefix: string): Promise<string> {
    const args = ["depends", "--important", metaPackage];
    const output = await this.#run("apt-cache", args, `look up ${metaPackage}`);
    const names = [...output.toString("utf8").matchAll(/Depends: (\S+)/g)].map(([, name]) => name);
    const found = names.find((name) => name?.startsWith(prefix));
    if (found !== undefined) return found;
    const message = `${metaPackage} depends on no ${prefix}*; choose another kernel package`;
    throw new ImageError("bad_recipe", message);
  }

  /** Downloads a package and unpacks its files into a directory. */
  async unpack(name: string, { into, scratch }: { into: string; scratch: string }): Promise<void> {
    await mkdir(scratch, { recursive: true });
    await this.#run("apt-get", ["download", name], `download ${name}`, scratch);
    const file = (await readdir(scratch)).find((entry) => entry.endsWith(".deb"));
    if (file === undefined) {
      throw new ImageError("download_failed", `apt-get downloaded no ${name}; ${reach}`);
    }
    const args = ["--extract", join(scratch, file), into];
    await runTool("dpkg-deb", args, { doing: `unpack ${name}`, signal: this.#signal });
  }

  async #run(tool: string, args: readonly string[], doing: string, cwd?: string): Promise<Buffer> {
    const options = {
      doing,
      hint: reach,
      signal: this.#signal,
      ...(cwd === undefined ? {} : { cwd }),
    };
    return runTool(tool, [...this.#options, ...args], options);
  }
}

async function readOr<T>(read: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await read;
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "EACCES")) return otherwise;
    throw error;
  }
}
