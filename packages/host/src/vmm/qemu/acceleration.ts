import { constants } from "node:fs";
import { access, readFile } from "node:fs/promises";

/** What runs a machine's instructions, and why. */
export interface Acceleration {
  readonly kind: "kvm" | "tcg";
  /** One sentence for the operator. */
  readonly reason: string;
}

const device = "/dev/kvm";

/** What can be said of KVM without trying it: undefined when it is worth a try. */
export async function whyNoKvm(): Promise<string | undefined> {
  try {
    await access(device, constants.R_OK | constants.W_OK);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    return code === "ENOENT"
      ? `${device} does not exist: the processor's virtualization is off, or this is a virtual machine without nesting`
      : `${device} cannot be opened for reading and writing: add the server's user to the group kvm`;
  }
  return undefined;
}

export function kvmAcceleration(): Acceleration {
  return { kind: "kvm", reason: "a guest booted under KVM on this host" };
}

export function emulation(reason: string): Acceleration {
  return { kind: "tcg", reason: `emulated, since ${reason}` };
}

/** What the answer of a trial depends on: the same host, kernel and QEMU give the same answer. */
export async function accelerationKey(qemuVersion: string, imageKey: string): Promise<string> {
  const kernel = (await readFile("/proc/version", "utf8")).trim();
  const model = /model name\s*:\s*(.*)/.exec(await readFile("/proc/cpuinfo", "utf8"))?.[1] ?? "";
  return [kernel, model, qemuVersion, imageKey].join(" · ");
}
