import { mkdir, statfs } from "node:fs/promises";
import { availableParallelism } from "node:os";

import { SandboxError } from "@skerry/protocol";
import type { Logger } from "pino";

import type { MachineImage } from "./images/index.ts";
import { EditorDisk } from "./machines/editor-disk.ts";
import { Host } from "./machines/host.ts";
import { Network } from "./network/network.ts";
import type { Driver } from "./vmm/driver.ts";
import { FakeDriver } from "./vmm/fake/fake-driver.ts";
import { chooseAcceleration } from "./vmm/qemu/kvm-trial.ts";
import { QemuDriver, type QemuDriverOptions } from "./vmm/qemu/qemu-driver.ts";
import { runTool } from "./vmm/qemu/tools.ts";

export interface OpenHostOptions {
  /** `SKERRY_HOME`. */
  readonly home: string;
  /** What to boot; the fake driver needs none. */
  readonly machine: MachineParts | "fake";
  /** Machines kept ready, and their size in MiB. */
  readonly pool: { readonly size: number; readonly memoryMiB: number };
  readonly log: Logger;
}

/** What machines are made of and with. */
export interface MachineParts {
  readonly image: MachineImage;
  /** `native/jail` */
  readonly launcher: string;
  /** `native/netns` */
  readonly netns: string;
  /** The command of egress, without its arguments. */
  readonly egress: readonly string[];
  /** Who egress asks for names; default: the name servers of this host. */
  readonly nameServers?: readonly string[] | undefined;
  /** The directory of egress' authority, whose certificate the image has. */
  readonly authority: string;
  /** Files with authorities that egress trusts beside those of this host. */
  readonly trust?: readonly string[] | undefined;
  /** Addresses with ports that `allowNet` may lead to, though no machine reaches them else. */
  readonly exceptions?: readonly string[] | undefined;
}

/** Free space in `SKERRY_HOME` below which no machine starts. */
const diskReserveBytes = 512 * 1_048_576;

/**
 * Opens the machines of this host. Call `adopt` before the first `create`, and `warmUp` to have the
 * template made and the pool filled ahead.
 *
 * @throws {SandboxError} `HOST_UNAVAILABLE` when QEMU is missing or does not run.
 */
export async function openHost(options: OpenHostOptions, signal: AbortSignal): Promise<Host> {
  const { home, log, machine, pool } = options;
  await mkdir(home, { recursive: true, mode: 0o700 });
  return new Host({
    driver: await openDriver(options, signal),
    pool,
    parallelStarts: availableParallelism(),
    checkRoom: () => checkRoom(home),
    editor: machine === "fake" ? null : new EditorDisk(machine.image.editor, log),
    log,
  });
}

async function openDriver(
  { home, machine, log }: OpenHostOptions,
  signal: AbortSignal,
): Promise<Driver> {
  if (machine === "fake") return new FakeDriver();
  const qemuVersion = (await runTool("qemu-system-x86_64", ["--version"])).split("\n")[0] ?? "";
  const { netns: program, egress, nameServers, authority, trust, exceptions } = machine;
  const options = { home, program, egress, nameServers, authority, trust, exceptions, log };
  const network = await Network.open(options);
  try {
    return await openQemu({ home, ...machine, network, qemuVersion, log }, signal);
  } catch (error) {
    await network.close(false);
    throw error;
  }
}

async function openQemu(
  options: Omit<QemuDriverOptions, "acceleration">,
  signal: AbortSignal,
): Promise<Driver> {
  const { log } = options;
  const acceleration = await chooseAcceleration(options, signal);
  log.info(acceleration, "acceleration");
  return await QemuDriver.open({ ...options, acceleration });
}

async function checkRoom(home: string): Promise<void> {
  const { bavail, bsize } = await statfs(home);
  if (bavail * bsize < diskReserveBytes) throw new SandboxError("HOST_DISK_FULL");
}
