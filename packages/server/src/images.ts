import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { ensureImage, fillEditor, listImages, removeImage } from "@skerry/host";

import { homeOf } from "./config.ts";

export const imagesUsage = `usage: skerry images list [--json]
       skerry images build [NAME]
       skerry images remove NAME
       skerry images editor    fetch what exposeVscode needs, ahead of its first call

  NAME          builtin:debian-13, the default
  --home DIR    where state lives (SKERRY_HOME)
`;

const defaultName = "builtin:debian-13";

/** What the set-up left in a home, as far as images are concerned. */
interface SetupFile {
  readonly guestBinary: string;
  readonly image: { readonly key: string; readonly editor: string };
}

/**
 * `skerry images`: lists, builds and removes the images that machines start from.
 *
 * @returns the exit code: 0, or 2 when it was called wrongly. Failures are thrown.
 */
export async function imagesCommand(
  args: readonly string[],
  write: (text: string) => void = (text) => process.stdout.write(text),
): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      ...{ json: { type: "boolean" }, home: { type: "string" } },
      help: { type: "boolean", short: "h" },
    },
    allowPositionals: true,
  });
  const [verb, name = defaultName] = positionals;
  const home = homeOf(values.home);
  if (values.help === true) {
    write(imagesUsage);
    return 0;
  }
  switch (verb) {
    case "list":
      write(await list(home, values.json === true));
      return 0;
    case "build":
      await build(home, name, write);
      return 0;
    case "editor":
      await buildEditor(home, write);
      return 0;
    case "remove":
      write(await remove(home, name));
      return 0;
    case undefined:
    default:
      process.stderr.write(imagesUsage);
      return 2;
  }
}

async function list(home: string, asJson: boolean): Promise<string> {
  const images = await listImages(home);
  if (asJson) return `${JSON.stringify(images, undefined, 2)}\n`;
  const rows = images.map(({ image, sizeBytes, usedAt }) =>
    [
      image.name,
      image.key.slice(0, 12),
      `${Math.round(sizeBytes / 1_048_576)} MiB`.padStart(9),
      usedAt,
    ].join("  "),
  );
  return [`${"NAME".padEnd(17)}  KEY                SIZE  USED`, ...rows, ""].join("\n");
}

async function build(home: string, name: string, write: (text: string) => void): Promise<void> {
  const file = join(home, "setup.json");
  const setup = await readSetupFile(file);
  const abort = new AbortController();
  process.once("SIGINT", () => abort.abort(new Error("interrupted; run it again")));
  const image = await ensureImage({
    ...{ name, home, guestBinary: setup.guestBinary, signal: abort.signal },
    progress: ({ step, done }) => write(`${step}${done === true ? ": done" : " …"}\n`),
  });
  await writeFile(`${file}.next`, JSON.stringify({ ...setup, image }, undefined, 2), {
    mode: 0o600,
  });
  await rename(`${file}.next`, file);
  write(`${image.name} ${image.key}\n`);
}

async function buildEditor(home: string, write: (text: string) => void): Promise<void> {
  const setup = await readSetupFile(join(home, "setup.json"));
  const abort = new AbortController();
  process.once("SIGINT", () => abort.abort(new Error("interrupted; run it again")));
  const report = (step: string): void => write(`${step} …\n`);
  const isNew = await fillEditor(setup.image.editor, { report, signal: abort.signal });
  write(isNew ? "the editor is built\n" : "the editor is there\n");
}

async function remove(home: string, name: string): Promise<string> {
  const removed = await removeImage(home, name, { keep: await keysInUse(home) });
  return removed.length === 0
    ? `${name} is in use by the server that runs; stop it first\n`
    : removed.map((key) => `removed ${name} ${key}\n`).join("");
}

/** A server that runs holds its image. */
async function keysInUse(home: string): Promise<ReadonlySet<string>> {
  try {
    const endpoint = JSON.parse(await readFile(join(home, "run", "endpoint.json"), "utf8")) as {
      pid: number;
    };
    process.kill(endpoint.pid, 0);
  } catch {
    return new Set(); // no server runs in this home
  }
  return new Set([(await readSetupFile(join(home, "setup.json"))).image.key]);
}

async function readSetupFile(file: string): Promise<SetupFile> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as SetupFile; // written by the set-up alone
  } catch (cause) {
    throw new Error(`${file} cannot be read: run npm start in the clone first`, { cause });
  }
}
