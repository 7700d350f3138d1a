import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { ensureAuthority } from "../../packages/egress/src/tls/authority-files.ts";
import {
  ensureImage,
  ImageError,
  type MachineImage,
  type Progress,
} from "../../packages/host/src/images/index.ts";
import { egressUserId } from "../../packages/protocol/src/index.ts";
import { canBecomeRoot, runAsRoot } from "./command.ts";
import {
  compilerRequirements,
  hostRequirements,
  installPackages,
  missingPackages,
} from "./debian.ts";
import { asSetUpError, SetUpError } from "./failure.ts";
import { ensureNative, findNative } from "./native.ts";

/** Options of {@link setUp}. */
export interface SetUpOptions {
  /** SKERRY_HOME, absolute. */
  readonly home: string;
  /** Told what is going on. Steps that are done already say nothing. */
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** What this host has when it is set up. */
export interface SetUpResult {
  readonly image: MachineImage;
  readonly guestBinary: string;
  /** Holds every native program: `skerry-guest`, `skerry-jail`, … */
  readonly nativeDirectory: string;
  /** The directory of egress' certificate authority. */
  readonly authority: string;
}

const imageName = "builtin:debian-13";
const imageScript = fileURLToPath(new URL("build-image.ts", import.meta.url));
const imageDeadlineMs = 3_600_000;

/**
 * Makes this host ready to run machines: Debian packages, native programs (and a Rust to build them with), the image. A
 * step that is done is skipped; it may be interrupted at any instant and run again.
 * @throws SetUpError, whose first line says what failed and what to do; the signal's reason when it aborts
 */
export async function setUp({ home, progress, signal }: SetUpOptions): Promise<SetUpResult> {
  const failed = new AbortController();
  const options = { home, progress, signal: AbortSignal.any([signal, failed.signal]) };
  try {
    await makeHome(home);
    await installRequirements(options);
    const authority = join(home, "egress");
    const roots = [await ensureAuthority(authority, egressUserId)];
    const native = ensureNative(options);
    const image = buildImage(native, roots, options);
    // The image waits for the guest, so it is the first of the two to know of any failure.
    image.catch((error: unknown) => failed.abort(error));
    await Promise.allSettled([native, image]);
    const { directory, guestBinary } = await native;
    return { image: await image, guestBinary, nativeDirectory: directory, authority };
  } catch (error) {
    signal.throwIfAborted();
    throw asSetUpError(failed.signal.aborted ? failed.signal.reason : error);
  }
}

async function installRequirements(options: SetUpOptions): Promise<void> {
  const { isBuilt } = await findNative(options.home);
  const wanted = isBuilt ? hostRequirements : [...hostRequirements, ...compilerRequirements];
  const step = "Debian packages";
  const missing = await missingPackages(wanted);
  if (missing.length === 0) return;
  await installPackages(missing, { ...options, step });
  options.progress({ step, done: true });
}

async function makeHome(home: string): Promise<void> {
  try {
    await mkdir(home, { recursive: true });
  } catch (cause) {
    throw new SetUpError(`${home} cannot be made; choose another SKERRY_HOME`, { cause });
  }
}

async function buildImage(
  native: Promise<{ readonly guestBinary: string }>,
  roots: readonly string[],
  options: SetUpOptions,
): Promise<MachineImage> {
  const guestBinary = native.then((programs) => programs.guestBinary);
  const ensure = { name: imageName, guestBinary, roots, ...options };
  try {
    return await ensureImage(ensure);
  } catch (error) {
    const needsRoot = error instanceof ImageError && error.code === "not_permitted";
    if (!needsRoot || !(await canBecomeRoot(options.signal))) throw error;
  }
  await buildImageAsRoot(await guestBinary, options);
  return ensureImage(ensure);
}

async function buildImageAsRoot(
  guestBinary: string,
  { home, progress, signal }: SetUpOptions,
): Promise<void> {
  await runAsRoot(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", imageScript, home, guestBinary],
    {
      doing: "build the image as root",
      deadlineMs: imageDeadlineMs,
      onLine: (line) => {
        // Lines of build-image.ts; anything else is kept for the message of a failure.
        if (line.startsWith("{")) progress(JSON.parse(line) as Parameters<Progress>[0]);
      },
      signal,
    },
  );
}
