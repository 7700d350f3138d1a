import { createHash, randomUUID } from "node:crypto";
import {
  chmod,
  copyFile,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";

import type { MachineSpec, Template } from "../driver.ts";
import { commandLine, jailPath } from "./command-line.ts";
import { runTool } from "./tools.ts";

/** A template on disk, below `<home>/templates/<key>`. */
export interface QemuTemplate extends Template {
  readonly directory: string;
  /** Guest memory as it was captured; mapped privately by every machine. */
  readonly ram: string;
  /** The state of the devices. */
  readonly state: string;
  /** The disk as it was captured: the backing file of every machine's disk. */
  readonly disk: string;
  /** An empty disk over {@link disk}, to be copied for each machine. */
  readonly emptyDisk: string;
}

/** What a template depends on: with any other value of it, it is another template. */
export interface TemplateInputs {
  readonly imageKey: string;
  readonly qemuVersion: string;
  readonly acceleration: "kvm" | "tcg";
}

const formatVersion = 1;

/** The templates of this host. */
export class TemplateStore {
  readonly #directory: string;
  readonly #inputs: TemplateInputs;

  constructor(directory: string, inputs: TemplateInputs) {
    this.#directory = directory;
    this.#inputs = inputs;
  }

  async find(spec: MachineSpec): Promise<QemuTemplate | undefined> {
    const template = this.#at(this.#key(spec), spec);
    try {
      await readFile(join(template.directory, "complete"));
      return template;
    } catch {
      return undefined; // not there, or not finished: both mean that it must be made
    }
  }

  /** A place to make a template in. It becomes one through {@link finish}, or is removed. */
  async begin(spec: MachineSpec): Promise<QemuTemplate & AsyncDisposable> {
    const key = this.#key(spec);
    const directory = join(this.#directory, `${key}.making-${process.pid}`);
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const template = this.#at(key, spec, directory);
    await createOverlay(template.disk, jailPath.emptyDisk, "raw");
    await createOverlay(template.emptyDisk, jailPath.templateDisk, "qcow2");
    const ram = await open(template.ram, "w");
    await ram.truncate(spec.memoryMiB * 1_048_576);
    await ram.close();
    return {
      ...template,
      [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
    };
  }

  async finish(made: QemuTemplate): Promise<QemuTemplate> {
    const template = this.#at(made.key, made.spec);
    await rm(join(made.directory, "state.sock"), { force: true });
    await writeFile(join(made.directory, "complete"), JSON.stringify(this.#inputs));
    for (const file of [made.ram, made.state, made.disk, made.emptyDisk]) await sync(file);
    await rm(template.directory, { recursive: true, force: true });
    await rename(made.directory, template.directory);
    return template;
  }

  /**
   * Removes what no machine will start from any more: templates of another image, QEMU or
   * acceleration, and those that a process died over.
   */
  async sweep(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name);
      const maker = /\.making-(\d+)$/.exec(name)?.[1];
      const isWanted =
        maker !== undefined
          ? isRunning(Number(maker))
          : name === this.#emptyName || (await this.#isCurrent(path));
      if (!isWanted) await rm(path, { recursive: true, force: true });
    }
  }

  async #isCurrent(directory: string): Promise<boolean> {
    try {
      const inputs = await readFile(join(directory, "complete"), "utf8");
      return inputs === JSON.stringify(this.#inputs);
    } catch {
      return false; // not finished, or no template
    }
  }

  get #emptyName(): string {
    return `empty-${this.#inputs.imageKey.slice(0, 32)}.qcow2`;
  }

  /** An empty disk for a machine that boots from the image alone. */
  async copyEmptyDisk(to: string): Promise<void> {
    const path = join(this.#directory, this.#emptyName);
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    try {
      await copyFile(path, to);
    } catch {
      const made = `${path}.${randomUUID()}`; // machines that boot at the same time make one each
      await createOverlay(made, jailPath.emptyDisk, "raw");
      await rename(made, path);
      await copyFile(path, to);
    }
  }

  #key(spec: MachineSpec): string {
    const { acceleration } = this.#inputs;
    const layout = commandLine({ name: "", spec, acceleration, start: "boot to capture" });
    return createHash("sha256")
      .update(JSON.stringify([formatVersion, this.#inputs, layout]))
      .digest("hex")
      .slice(0, 32);
  }

  #at(key: string, spec: MachineSpec, directory = join(this.#directory, key)): QemuTemplate {
    return {
      key,
      spec,
      directory,
      ram: join(directory, "ram"),
      state: join(directory, "state"),
      disk: join(directory, "disk.qcow2"),
      emptyDisk: join(directory, "empty.qcow2"),
    };
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // signal 0 fails only when there is nobody to get it
  }
}

/** Lets every machine's user open the files of a template: the directory above is closed to them. */
export async function openToMachines(template: QemuTemplate): Promise<void> {
  await chmod(template.ram, 0o666); // QEMU 7.2 opens memory for writing even to map it privately
  await chmod(template.disk, 0o444);
  await chmod(template.state, 0o444);
}

/** Makes an empty disk; its backing file is named as the machine will see it in its jail. */
async function createOverlay(path: string, backing: string, format: string): Promise<void> {
  const size = `${diskGiB}G`;
  await runTool("qemu-img", [
    ...["create", "-q", "-f", "qcow2", "-u"],
    ...["-b", backing, "-F", format, path, size],
  ]);
}
const diskGiB = 10;

async function sync(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
