import { execFileSync } from "node:child_process";
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = join(root, "node_modules", ".bin", "tsc");

/**
 * Makes the package that users of `@skerry/sdk` install: one module of JavaScript for Node 22 and Deno, and
 * its types. `ws` stays a dependency, so that Deno and bundlers put their own in its place.
 */
export async function bundleSdk(output: string): Promise<void> {
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output, { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: ["packages/sdk/src/index.ts"],
    outfile: join(output, "index.js"),
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node22",
    external: ["ws"],
    keepNames: true, // an error is told by the name of its class
    legalComments: "inline",
    logLevel: "silent",
  });
  writeTypes(join(output, "types"));
  writeFileSync(join(output, "package.json"), `${JSON.stringify(manifest(), null, 2)}\n`);
}

function manifest(): object {
  const read = (path: string): Manifest =>
    JSON.parse(readFileSync(join(root, path), "utf8")) as Manifest; // ours
  const sdk = read("packages/sdk/package.json");
  const protocol = read("packages/protocol/package.json");
  return {
    name: sdk.name,
    version: sdk.version,
    description: "Client of Skerry: microVM sandboxes on your own machine",
    license: "MIT",
    type: "module",
    exports: { ".": { types: "./types/sdk/src/index.d.ts", default: "./index.js" } },
    engines: { node: ">=22" },
    dependencies: { ws: sdk.dependencies["ws"], zod: protocol.dependencies["zod"] },
  };
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

/** Declarations of the client and of the protocol that it is made of, which is no package of its own. */
function writeTypes(output: string): void {
  const options = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly"];
  // Each file of the protocol is named: what the compiler meets first as part of a package, it leaves out.
  const sources = globSync("packages/protocol/src/**/*.ts", { cwd: root });
  const protocolFiles = sources.filter((file) => !file.endsWith(".test.ts")).toSorted();
  const files = ["packages/sdk/src/index.ts", ...protocolFiles];
  const places = ["--outDir", output, "--rootDir", "packages"];
  execFileSync(tsc, ["--ignoreConfig", ...files, ...compilerOptions(), ...options, ...places], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  for (const file of globSync(join(output, "**/*.d.ts"))) {
    const protocol = relative(dirname(file), join(output, "protocol/src/index.js"));
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replaceAll('"@skerry/protocol"', JSON.stringify(protocol)));
  }
}

/** Those of the project, as arguments: with files on the command line its configuration is not read. */
function compilerOptions(): string[] {
  const text = readFileSync(join(root, "tsconfig.json"), "utf8");
  const { compilerOptions: options } = JSON.parse(text) as {
    readonly compilerOptions: Readonly<Record<string, unknown>>;
  };
  return Object.entries(options)
    .filter(([name]) => name !== "noEmit")
    .flatMap(([name, value]) => [`--${name}`, String(value)]);
}
