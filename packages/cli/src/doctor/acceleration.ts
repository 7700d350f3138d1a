import { ok, warn, type Finding } from "./finding.ts";

/** How machines run, from a server or from what it has left. */
export interface Acceleration {
  readonly kind: string;
  readonly reason: string;
}

const name = "acceleration";

/** Says how machines run, and why they do not run faster. */
export function accelerationFinding(found: Acceleration | undefined): Finding {
  if (found === undefined) {
    return warn(name, "not tried yet", "Start the server once: it tries KVM and keeps the answer.");
  }
  switch (found.kind) {
    case "kvm":
      return ok(name, "KVM: machines run on the processor itself");
    case "tcg":
      return warn(
        name,
        `emulation (TCG), not KVM: ${whyOf(found.reason)}`,
        "Emulation is several times slower, and QEMU does not call it a security boundary: run code that you trust, or use a host with KVM.",
      );
    default:
      return warn(name, `${found.kind}: ${found.reason}`);
  }
}

/** The reason alone: a server may say first what follows from it. */
function whyOf(reason: string): string {
  return reason.replace(/^emulated, since /, "") || "no reason is known";
}

/** What is known of `/dev/kvm`. */
export type KvmDevice =
  | { readonly kind: "usable" }
  | { readonly kind: "missing" }
  | { readonly kind: "refused"; readonly code: string };

export function kvmFinding(device: KvmDevice): Finding {
  switch (device.kind) {
    case "usable":
      return ok("/dev/kvm", "is there and can be opened");
    case "missing":
      return warn(
        "/dev/kvm",
        "is not there",
        "Switch virtualization on in the firmware, or nested virtualization where this is a virtual machine; then `modprobe kvm_intel` or `kvm_amd`.",
      );
    case "refused":
      return warn(
        "/dev/kvm",
        `is there and cannot be opened (${device.code})`,
        "Run the server as root, or add its user to the group kvm: `usermod -aG kvm USER`.",
      );
  }
}
