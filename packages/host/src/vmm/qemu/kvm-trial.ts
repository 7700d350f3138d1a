import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { limits } from "@skerry/protocol";

import { GuestLink } from "../../guest/guest-link.ts";
import {
  type Acceleration,
  accelerationKey,
  emulation,
  kvmAcceleration,
  whyNoKvm,
} from "./acceleration.ts";
import { QemuDriver, type QemuDriverOptions } from "./qemu-driver.ts";

/** A guest under KVM boots in well under a second; one that takes this long never will. */
const trialMs = 12_000;

/** What is kept in `<home>/acceleration.json`, for the next start and for `doctor`. */
interface Verdict {
  readonly key: string;
  readonly kind: "kvm" | "tcg";
  readonly reason: string;
}

/**
 * Chooses KVM when a guest really boots under it, else emulation. That `/dev/kvm` exists proves
 * nothing: there are hosts where it opens and no guest gets through its first second. The answer is
 * kept for as long as kernel, processor, QEMU and image stay the same.
 */
export async function chooseAcceleration(
  options: Omit<QemuDriverOptions, "acceleration">,
  signal: AbortSignal,
): Promise<Acceleration> {
  const file = join(options.home, "acceleration.json");
  const key = await accelerationKey(options.qemuVersion, options.image.key);
  const known = await readVerdict(file);
  const why = await whyNoKvm();
  if (known?.key === key && why === undefined) {
    return known.kind === "kvm" ? kvmAcceleration() : emulation(known.reason);
  }
  const reason = why ?? (await tryKvm(options, signal));
  const verdict: Verdict = {
    key,
    kind: reason === undefined ? "kvm" : "tcg",
    reason: reason ?? "",
  };
  await writeFile(file, JSON.stringify(verdict, undefined, 2));
  return reason === undefined ? kvmAcceleration() : emulation(reason);
}

/** Boots a guest under KVM; undefined when it greeted, else why it is not used. */
async function tryKvm(
  options: Omit<QemuDriverOptions, "acceleration">,
  signal: AbortSignal,
): Promise<string | undefined> {
  options.log.info("trying KVM");
  const driver = await QemuDriver.open({ ...options, acceleration: kvmAcceleration() });
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(trialMs)]);
  let ended: string | undefined;
  try {
    const spec = { memoryMiB: limits.memoryMinMiB, vcpuCount: 1 };
    await using machine = await driver.boot(spec, deadline);
    void machine.gone.then(({ detail }) => (ended = detail));
    const port = await machine.connect(deadline);
    const link = await GuestLink.open(port, { canNudge: false, signal: deadline });
    link.fail(new Error("the trial is over"));
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (deadline.aborted) return `a guest under KVM did not boot within ${trialMs / 1_000} s`;
    return `a guest under KVM failed: ${ended ?? messageOf(error)}`;
  }
}

async function readVerdict(file: string): Promise<Verdict | undefined> {
  try {
    const verdict: unknown = JSON.parse(await readFile(file, "utf8"));
    return isVerdict(verdict) ? verdict : undefined;
  } catch {
    return undefined; // never tried here
  }
}

function isVerdict(value: unknown): value is Verdict {
  if (typeof value !== "object" || value === null) return false;
  const { key, kind, reason } = value as Partial<Record<keyof Verdict, unknown>>;
  return (
    typeof key === "string" && typeof reason === "string" && (kind === "kvm" || kind === "tcg")
  );
}

function messageOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
