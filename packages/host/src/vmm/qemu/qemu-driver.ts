import { chmod, chown, copyFile, mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";

import { limits, SandboxError } from "@skerry/protocol";
import type { Logger } from "pino";

import type { MachineImage } from "../../images/index.ts";
import type { Network } from "../../network/network.ts";
import type { Driver, Machine, MachineSpec, Template } from "../driver.ts";
import type { Acceleration } from "./acceleration.ts";
import { adoptMachines } from "./adopt.ts";
import { findCgroups, makeCgroup } from "./cgroups.ts";
import { type CommandLine, commandLine, inherited, jailPath } from "./command-line.ts";
import { Console } from "./console.ts";
import { devicesFor, type JailedProcess, startJailed, type View } from "./jailed-process.ts";
import { MachineFiles } from "./machine-files.ts";
import { machineName } from "./names.ts";
import { Phases } from "./phases.ts";
import { QemuMachine } from "./qemu-machine.ts";
import { Qmp } from "./qmp.ts";
import { StateReceiver } from "./state-receiver.ts";
import { openToMachines, type QemuTemplate, TemplateStore } from "./templates.ts";
import { UidPool } from "./uid-pool.ts";

export interface QemuDriverOptions {
  /** `SKERRY_HOME`; machines and templates live below it. */
  readonly home: string;
  readonly image: MachineImage;
  /** The program that confines QEMU (`native/jail`). */
  readonly launcher: string;
  readonly network: Network;
  readonly qemuVersion: string;
  readonly acceleration: Acceleration;
  readonly log: Logger;
}

/** What QEMU itself needs beside the guest's memory, in MiB: translated code, buffers, its heap. */
const overheadMiB = 384;
const processesPerMachine = 64;

/** Runs machines with QEMU, under KVM where a guest really boots with it, else emulated. */
export class QemuDriver implements Driver {
  readonly acceleration: Acceleration;
  readonly #options: QemuDriverOptions;
  readonly #machinesDirectory: string;
  readonly #templates: TemplateStore;
  readonly #uids = new UidPool();
  readonly #cgroups: Awaited<ReturnType<typeof findCgroups>>;

  private constructor(
    options: QemuDriverOptions,
    cgroups: Awaited<ReturnType<typeof findCgroups>>,
  ) {
    this.acceleration = options.acceleration;
    this.#options = options;
    this.#cgroups = cgroups;
    this.#machinesDirectory = join(options.home, "machines");
    this.#templates = new TemplateStore(join(options.home, "templates"), {
      imageKey: options.image.key,
      qemuVersion: options.qemuVersion,
      acceleration: options.acceleration.kind,
    });
  }

  static async open(options: QemuDriverOptions): Promise<QemuDriver> {
    const driver = new QemuDriver(options, await findCgroups());
    await mkdir(driver.#machinesDirectory, { recursive: true, mode: 0o700 });
    return driver;
  }

  async boot(spec: MachineSpec, signal: AbortSignal): Promise<Machine> {
    return await this.#start(spec, { kind: "boot" }, signal);
  }

  findTemplate(spec: MachineSpec): Promise<QemuTemplate | undefined> {
    return this.#templates.find(spec);
  }

  async makeTemplate(
    spec: MachineSpec,
    warm: (machine: Machine) => Promise<void>,
    signal: AbortSignal,
  ): Promise<QemuTemplate> {
    await using making = await this.#templates.begin(spec);
    const socket = join(making.directory, "state.sock");
    await using receiver = await StateReceiver.listen(socket, making.state);
    const start = { kind: "capture", template: making, socket } as const;
    await using machine = await this.#start(spec, start, signal);
    await warm(machine);
    signal.throwIfAborted();
    await capture(machine, signal);
    await receiver.received();
    await machine[Symbol.asyncDispose]();
    await openToMachines(making);
    return await this.#templates.finish(making);
  }

  async restore(template: Template, signal: AbortSignal): Promise<Machine> {
    const found = await this.#templates.find(template.spec);
    if (found === undefined) throw new SandboxError("HOST_UNAVAILABLE", "the template is gone");
    return await this.#start(template.spec, { kind: "restore", template: found }, signal);
  }

  async adopt(signal: AbortSignal): Promise<readonly Machine[]> {
    await this.#templates.sweep();
    return await adoptMachines({
      machinesDirectory: this.#machinesDirectory,
      uids: this.#uids,
      cgroups: this.#cgroups,
      network: this.#options.network,
      log: this.#options.log,
      signal,
    });
  }

  async close(keep: boolean): Promise<void> {
    await this.#options.network.close(keep);
  }

  async #start(spec: MachineSpec, start: Start, signal: AbortSignal): Promise<QemuMachine> {
    try {
      return await this.#startOrThrow(spec, start, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw asHostError(error);
    }
  }

  async #startOrThrow(spec: MachineSpec, start: Start, signal: AbortSignal): Promise<QemuMachine> {
    signal.throwIfAborted();
    const phases = new Phases();
    await using stack = new AsyncDisposableStack();

    const files = new MachineFiles(this.#machinesDirectory);
    stack.defer(() => files.remove());
    await files.create();
    const uid = stack.use(this.#uids.take()).uid;
    const link = stack.use(this.#options.network.take());
    const name = machineName(files.id);
    const cgroup = stack.use(
      await makeCgroup(this.#cgroups, name, {
        memoryBytes: (spec.memoryMiB + overheadMiB) * 1_048_576,
        processCount: processesPerMachine,
        cpuCount: spec.vcpuCount + 1,
      }),
    );
    await this.#prepareFiles(files, start, uid);
    phases.mark("files");

    await using log = await open(files.log, "w", 0o600);
    await using state = await openState(start);
    const process = stack.use(
      await startJailed(
        {
          network: link.commandFor(inherited.tap),
          launcher: this.#options.launcher,
          root: files.jailRoot,
          views: this.#views(files, start),
          devices: devicesFor(this.acceleration.kind),
          sockets: [
            { fd: inherited.guest, path: files.guestSocket },
            { fd: inherited.monitor, path: files.monitorSocket },
            { fd: inherited.console, path: files.consoleSocket },
          ],
          cgroupEntrances: cgroup.entrances,
          uid,
          stateFd: state?.fd,
          logFd: log.fd,
        },
        commandLine({
          name,
          spec,
          acceleration: this.acceleration.kind,
          start: styleOf[start.kind],
        }),
      ),
    );
    phases.mark("spawn");
    signal.throwIfAborted();

    const output = new Console(files.consoleSocket);
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(limits.restoreMs)]);
    const monitor = await openMonitor(files, process, deadline);
    stack.defer(() => monitor.close());
    phases.mark("monitor");
    if (start.kind === "restore") {
      await loadState(monitor);
      phases.mark("restore");
    }
    const machine = new QemuMachine({
      ...{ files, spec, uid, link, monitor },
      ...{ pid: process.pid, ended: process.ended.then((how) => output.describeEnd(how)) },
      held: stack.move(),
      phasesMs: phases.done,
    });
    try {
      await machine.writeRecord();
      signal.throwIfAborted();
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
    return machine;
  }

  async #prepareFiles(files: MachineFiles, start: Start, uid: number): Promise<void> {
    switch (start.kind) {
      case "boot":
        await this.#templates.copyEmptyDisk(files.disk);
        break;
      case "restore":
        await copyFile(start.template.emptyDisk, files.disk);
        break;
      case "capture":
        await chown(start.template.disk, uid, uid);
        await chown(start.template.ram, uid, uid);
        return;
    }
    await chmod(files.disk, 0o600);
    await chown(files.disk, uid, uid);
  }

  /** The files that the machine's QEMU sees, which is all that it sees. */
  #views(files: MachineFiles, start: Start): View[] {
    const { image } = this.#options;
    const always = [
      { source: image.root, target: jailPath.root },
      { source: image.runtime, target: jailPath.runtime },
      { source: image.editor, target: jailPath.editor },
      { source: image.disk, target: jailPath.emptyDisk },
    ];
    const kernel = [
      { source: image.kernel, target: jailPath.kernel },
      { source: image.initrd, target: jailPath.initrd },
    ];
    const disk = { source: files.disk, target: jailPath.disk, writable: true };
    switch (start.kind) {
      case "boot":
        return [...always, ...kernel, disk];
      case "capture":
        return [
          ...always,
          ...kernel,
          { source: start.template.disk, target: jailPath.disk, writable: true },
          { source: start.template.ram, target: jailPath.ram, writable: true },
          { source: start.socket, target: jailPath.stateSocket, writable: true },
        ];
      case "restore":
        return [
          ...always,
          disk,
          { source: start.template.disk, target: jailPath.templateDisk },
          { source: start.template.ram, target: jailPath.ram, writable: true },
        ];
    }
  }
}

type Start =
  | { readonly kind: "boot" }
  | { readonly kind: "capture"; readonly template: QemuTemplate; readonly socket: string }
  | { readonly kind: "restore"; readonly template: QemuTemplate };

const styleOf = {
  boot: "boot",
  capture: "boot to capture",
  restore: "restore",
} as const satisfies Record<Start["kind"], CommandLine["start"]>;

async function openState(start: Start): Promise<Awaited<ReturnType<typeof open>> | undefined> {
  return start.kind === "restore" ? await open(start.template.state, "r") : undefined;
}

/** Connects to QEMU's monitor; when QEMU ends instead, its own words are the reason. */
async function openMonitor(
  files: MachineFiles,
  process: JailedProcess,
  deadline: AbortSignal,
): Promise<Qmp> {
  const ended = process.ended.then(async (how) => {
    const said = (await readFile(files.log, "utf8")).trim().split("\n").at(-1) ?? "";
    throw new SandboxError("HOST_UNAVAILABLE", undefined, {
      cause: new Error(`QEMU ended (${how})${said === "" ? "" : `: ${said}`}`),
    });
  });
  ended.catch(() => undefined); // it ends in any case, later
  try {
    return await Qmp.open(files.monitorSocket, deadline);
  } catch (error) {
    // A monitor that closes is a QEMU that ends, and that is the better reason.
    if (!deadline.aborted) await ended;
    throw error;
  }
}

const ignoreShared = { capabilities: [{ capability: "x-ignore-shared", state: true }] };

/** Loads the captured devices; the machine runs when it is done. Memory is mapped already. */
async function loadState(monitor: Qmp): Promise<void> {
  await monitor.run("migrate-set-capabilities", ignoreShared);
  await monitor.run("migrate-incoming", { uri: `fd:${inherited.state}` });
  await migrated(monitor, undefined);
}

/**
 * Writes the state of the devices; memory is in its file already. The machine is not stopped first:
 * the stream would say so, and every machine restored from it would start stopped.
 */
async function capture(machine: QemuMachine, signal: AbortSignal): Promise<void> {
  await machine.monitor.run("migrate-set-capabilities", ignoreShared);
  await machine.monitor.run("migrate", { uri: `unix:${jailPath.stateSocket}` });
  await migrated(machine.monitor, signal);
}

const pollMs = 1;

/** QEMU 7.2 tells the end of a migration only to who asks (its event needs another capability). */
async function migrated(monitor: Qmp, signal: AbortSignal | undefined): Promise<void> {
  for (;;) {
    signal?.throwIfAborted();
    const answer = (await monitor.run("query-migrate")) as { status?: string };
    if (answer.status === "completed") return;
    if (answer.status === "failed" || answer.status === "cancelled") {
      throw new SandboxError("HOST_UNAVAILABLE", undefined, {
        cause: new Error(`the machine's state could not be moved: ${JSON.stringify(answer)}`),
      });
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

function asHostError(error: unknown): SandboxError {
  if (error instanceof SandboxError) return error;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const full = code === "ENOSPC" || code === "EDQUOT";
  return new SandboxError(full ? "HOST_DISK_FULL" : "HOST_UNAVAILABLE", undefined, {
    cause: error,
  });
}
