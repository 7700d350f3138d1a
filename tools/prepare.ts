import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { MachineImage } from "../packages/host/src/images/index.ts";
import { defaultHome, type ProgressDisplay, setUp } from "./setup/index.ts";

/** A host that is set up. The same is in `<home>/setup.json`, which the server reads. */
export interface Prepared {
  readonly home: string;
  readonly image: MachineImage;
  /** The program that confines QEMU. */
  readonly launcher: string;
  /** The program that makes networks. */
  readonly netns: string;
  /** The directory of egress' certificate authority. */
  readonly authority: string;
  readonly guestBinary: string;
}

/** Sets this host up, as far as it is not, with a progress display; see {@link setUp}. */
export async function prepare(display: ProgressDisplay, signal: AbortSignal): Promise<Prepared> {
  const home = defaultHome();
  const started = performance.now();
  const { image, guestBinary, nativeDirectory, authority } = await setUp({
    home,
    progress: display.report,
    signal,
  });
  const native = (name: string): string => join(nativeDirectory, `skerry-${name}`);
  const programs = { guestBinary, launcher: native("jail"), netns: native("netns") };
  const prepared = { home, image, ...programs, authority };
  await replaceFile(join(home, "setup.json"), JSON.stringify(prepared, undefined, 2));
  await noteDuration(home, (performance.now() - started) / 1_000);
  return prepared;
}

/** The longest set-up of this home is the one that did everything; `npm run bench -- setup` shows it. */
async function noteDuration(home: string, seconds: number): Promise<void> {
  const file = join(home, "setup-seconds.json");
  const known = await readFile(file, "utf8").then(Number, () => 0);
  if (seconds > known) await replaceFile(file, String(Math.round(seconds)));
}

async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.next`, text, { mode: 0o600 });
  await rename(`${path}.next`, path);
}

/** A launcher that dies may say so several times at once; that is no user who insists. */
const insistsAfterMs = 1_000;

/** Aborts when the user wants out; a second time, later, ends at once. */
export function interruptible(): AbortSignal {
  const controller = new AbortController();
  let firstAt = Number.POSITIVE_INFINITY;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (performance.now() - firstAt > insistsAfterMs) process.exit(130);
      firstAt = Math.min(firstAt, performance.now());
      controller.abort(new Error("interrupted; run it again and it goes on where it stopped"));
    });
  }
  return controller.signal;
}
