import type { MachineSpec } from "../driver.ts";

/** Where things are in the jail of a machine: the same for all, so that nothing must be rewritten. */
export const jailPath = {
  kernel: "/image/vmlinux",
  initrd: "/image/initrd",
  root: "/image/root.erofs",
  runtime: "/image/runtime.erofs",
  editor: "/image/editor.erofs",
  emptyDisk: "/image/disk.raw",
  templateDisk: "/template/disk.qcow2",
  ram: "/template/ram",
  disk: "/machine/disk.qcow2",
  stateSocket: "/machine/state.sock",
} as const;

/** Descriptors that a QEMU inherits. */
export const inherited = { ready: 3, state: 4, guest: 5, monitor: 6, tap: 7, console: 8 } as const;

/** The name of the port on which the guest speaks; `native/guest` looks for it. */
export const portName = "skerry";

export interface CommandLine {
  readonly name: string;
  readonly spec: MachineSpec;
  readonly acceleration: "kvm" | "tcg";
  /** Boot the kernel, boot it on memory that will be captured, or wait for a captured state. */
  readonly start: "boot" | "boot to capture" | "restore";
}

/**
 * Quiet, because console output costs a second under emulation: what is left is why a kernel panics, which it would not
 * say at a loglevel of 0. No mitigations, because the guest is one tenant; `panic=-1`, so that a dead PID 1 ends the
 * machine at once.
 */
const kernelArguments =
  "console=ttyS0 quiet loglevel=1 panic=-1 mitigations=off no_timer_check nokaslr i8042.noaux i8042.nokbd " +
  "cryptomgr.notests audit=0 apparmor=0 random.trust_cpu=on";

/**
 * The arguments of QEMU. A machine that restores a template must have the very devices of the one
 * that was captured, so there is one layout for all.
 */
export function commandLine({ name, spec, acceleration, start }: CommandLine): string[] {
  return [
    ...["-name", name, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-M", "q35,vmport=off,smbus=off,sata=off,usb=off,smm=off,memory-backend=ram"],
    ...processor[acceleration],
    ...["-smp", String(spec.vcpuCount), "-m", `${spec.memoryMiB}M`],
    ...memory(spec, start),
    ...socket("guest", inherited.guest),
    ...["-device", "virtio-serial-pci,id=serial,max_ports=2"],
    ...["-device", `virtserialport,bus=serial.0,nr=1,chardev=guest,name=${portName}`],
    ...disk("root", jailPath.root, "raw,readonly=on,file.locking=off"),
    ...disk(
      "disk",
      jailPath.disk,
      "qcow2,cache=writeback,discard=unmap,werror=report,rerror=report",
    ),
    ...disk("runtime", jailPath.runtime, "raw,readonly=on,file.locking=off"),
    ...disk("editor", jailPath.editor, "raw,readonly=on,file.locking=off"),
    ...["-netdev", `tap,id=net,fd=${inherited.tap}`],
    ...[
      "-device",
      "virtio-net-pci,netdev=net,id=net-device,mac=52:54:00:73:6b:79,disable-legacy=on,romfile=",
    ],
    ...socket("console", inherited.console),
    ...["-device", "isa-serial,chardev=console"],
    ...socket("monitor", inherited.monitor),
    ...["-mon", "chardev=monitor,mode=control"],
    ...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ...(start === "restore" ? ["-incoming", "defer"] : boot(acceleration)),
  ];
}

/**
 * Emulation keeps what it has translated by virtual address, so programs at random addresses are
 * translated anew each time they start: a shell takes 70 ms instead of 17. KVM has no such cost.
 *
 * Its kernel boots with one processor, and PID 1 brings up the others: QEMU before 8.1 may keep a translation of code
 * that another processor changes at that moment, and a kernel changes its own as it boots. One boot in a hundred ended
 * with an int3 where one had been (`sched_clock: Marking stable`).
 */
const kernelArgumentsOf = {
  kvm: kernelArguments,
  tcg: `${kernelArguments} norandmaps maxcpus=1 noreplace-smp`,
} as const;

function boot(acceleration: CommandLine["acceleration"]): string[] {
  return [
    ...["-kernel", jailPath.kernel, "-initrd", jailPath.initrd],
    ...["-append", kernelArgumentsOf[acceleration]],
  ];
}

/**
 * Under emulation a small, old processor model translates fastest; `arat` lets an idle guest stop
 * its tick, and `tb-size` bounds the translated code that each machine keeps.
 */
const processor = {
  kvm: ["-accel", "kvm", "-cpu", "host"],
  tcg: ["-accel", "tcg,thread=multi,tb-size=96", "-cpu", "Nehalem,+rdrand,+rdseed,+arat"],
} as const;

function memory(spec: MachineSpec, start: CommandLine["start"]): string[] {
  const size = `size=${spec.memoryMiB}M`;
  if (start === "boot") return ["-object", `memory-backend-ram,id=ram,${size}`];
  const share = start === "boot to capture" ? "on" : "off";
  return ["-object", `memory-backend-file,id=ram,${size},mem-path=${jailPath.ram},share=${share}`];
}

function socket(id: string, fd: number): string[] {
  return ["-chardev", `socket,id=${id},fd=${fd},server=on,wait=off`];
}

function disk(id: string, file: string, options: string): string[] {
  return [
    ...["-drive", `if=none,id=${id},file=${file},format=${options}`],
    ...["-device", `virtio-blk-pci,drive=${id},id=${id}-device,disable-legacy=on`],
  ];
}
