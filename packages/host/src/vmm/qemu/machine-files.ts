import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What is kept of a running machine for a process that comes after this one. */
export interface MachineRecord {
  readonly pid: number;
  readonly uid: number;
  /** Its number in the network. */
  readonly network: number;
  readonly memoryMiB: number;
  readonly vcpuCount: number;
  readonly label?: string | undefined;
}

/** The files of one machine, below `<home>/machines/<id>`. */
export class MachineFiles {
  readonly id: string;
  readonly directory: string;

  constructor(machinesDirectory: string, id: string = randomBytes(8).toString("hex")) {
    this.id = id;
    this.directory = join(machinesDirectory, id);
  }

  get disk(): string {
    return join(this.directory, "disk.qcow2");
  }
  get guestSocket(): string {
    return join(this.directory, "guest.sock");
  }
  get monitorSocket(): string {
    return join(this.directory, "monitor.sock");
  }
  get consoleSocket(): string {
    return join(this.directory, "console.sock");
  }
  get jailRoot(): string {
    return join(this.directory, "root");
  }
  get log(): string {
    return join(this.directory, "qemu.log");
  }
  get #record(): string {
    return join(this.directory, "machine.json");
  }

  async create(): Promise<void> {
    await mkdir(this.jailRoot, { recursive: true, mode: 0o700 });
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Replaces the record as a whole, so that a crash leaves the old one or the new one. */
  async writeRecord(record: MachineRecord): Promise<void> {
    const next = `${this.#record}.next`;
    await writeFile(next, JSON.stringify(record), { mode: 0o600 });
    await rename(next, this.#record);
  }

  /** What an earlier process wrote; undefined when it wrote nothing that can be used. */
  async readRecord(): Promise<MachineRecord | undefined> {
    try {
      const record: unknown = JSON.parse(await readFile(this.#record, "utf8"));
      return isRecord(record) ? record : undefined;
    } catch {
      return undefined; // no record, half a machine: the caller clears it away
    }
  }
}

function isRecord(value: unknown): value is MachineRecord {
  if (typeof value !== "object" || value === null) return false;
  const record = value as Partial<Record<keyof MachineRecord, unknown>>;
  const { pid, uid, network, memoryMiB, vcpuCount } = record;
  const numbers = [pid, uid, network, memoryMiB, vcpuCount];
  return numbers.every(Number.isInteger) && ["string", "undefined"].includes(typeof record.label);
}
