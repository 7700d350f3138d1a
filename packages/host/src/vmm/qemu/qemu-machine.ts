import { connect } from "node:net";
import type { Duplex } from "node:stream";

import type { MachineEnd, NetworkGrant, Refusal } from "@skerry/protocol";

import type { NetworkLink } from "../../network/network.ts";
import type { Machine, MachineSpec } from "../driver.ts";
import type { MachineFiles } from "./machine-files.ts";
import type { Qmp } from "./qmp.ts";

export interface QemuParts {
  readonly files: MachineFiles;
  readonly spec: MachineSpec;
  readonly pid: number;
  readonly uid: number;
  readonly link: NetworkLink;
  readonly monitor: Qmp;
  /** Settles when the process has ended, with how. */
  readonly ended: Promise<string>;
  /** Everything that the machine holds, released in reverse. */
  readonly held: AsyncDisposableStack;
  readonly phasesMs: Readonly<Record<string, number>>;
  readonly label?: string | undefined;
}

/** A QEMU that runs. */
export class QemuMachine implements Machine {
  readonly id: string;
  readonly spec: MachineSpec;
  readonly phasesMs: Readonly<Record<string, number>>;
  readonly gone: Promise<MachineEnd>;
  readonly #parts: QemuParts;
  #label: string | undefined;
  #disposal: Promise<void> | undefined;

  constructor(parts: QemuParts) {
    this.id = parts.files.id;
    this.spec = parts.spec;
    this.phasesMs = parts.phasesMs;
    this.#label = parts.label;
    this.#parts = parts;
    this.gone = parts.ended.then((detail) => ({
      kind: this.#disposal === undefined ? "crashed" : "disposed",
      detail,
    }));
  }

  get label(): string | undefined {
    return this.#label;
  }

  get pid(): number {
    return this.#parts.pid;
  }

  /** The monitor, for what only this driver does. */
  get monitor(): Qmp {
    return this.#parts.monitor;
  }

  async connect(signal: AbortSignal): Promise<Duplex> {
    signal.throwIfAborted();
    const socket = connect({ path: this.#parts.files.guestSocket });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", abort, { once: true });
    socket.once("connect", resolve);
    socket.once("error", reject);
    try {
      await promise;
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
      socket.off("error", reject);
    }
  }

  async pause(): Promise<void> {
    await this.#parts.monitor.run("stop");
  }

  async resume(): Promise<void> {
    await this.#parts.monitor.run("cont");
  }

  async setNetwork(grant: NetworkGrant, onRefused: (refusal: Refusal) => void): Promise<void> {
    const { link } = this.#parts;
    link.onRefused = onRefused;
    await link.set(grant);
  }

  async setLabel(label: string): Promise<void> {
    this.#label = label;
    await this.writeRecord();
  }

  /** Notes down what a later process must know to find the machine again. */
  async writeRecord(): Promise<void> {
    const { pid, uid, spec, link } = this.#parts;
    const record = { pid, uid, network: link.number, ...spec, label: this.#label };
    await this.#parts.files.writeRecord(record);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#parts.held.disposeAsync();
    return this.#disposal;
  }
}
