import type { Duplex } from "node:stream";

import type { MachineEnd, NetworkGrant, Refusal } from "@skerry/protocol";

/**
 * Starts machines with one kind of isolation. Everything above this interface works with any of
 * them, and one contract suite (`test/contract/driver.contract.test.ts`) runs over all.
 */
export interface Driver {
  /** What runs the machine's instructions, and why nothing better does. */
  readonly acceleration: { readonly kind: string; readonly reason: string };

  /**
   * Boots a machine from its image. When it fails or `signal` aborts, nothing of it is left behind.
   *
   * @throws {SandboxError} `HOST_UNAVAILABLE`, `HOST_DISK_FULL`, `BOOT_TIMEOUT`.
   */
  boot(spec: MachineSpec, signal: AbortSignal): Promise<Machine>;

  /** The template for this size, when there is one. */
  findTemplate(spec: MachineSpec): Promise<Template | undefined>;

  /**
   * Boots a machine, lets `warm` bring it to the state that every restored machine starts in, and
   * captures it. The machine is gone afterwards; the template stays until its image changes.
   */
  makeTemplate(
    spec: MachineSpec,
    warm: (machine: Machine) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Template>;

  /** Starts a machine from a template. The same promises as {@link boot}. */
  restore(template: Template, signal: AbortSignal): Promise<Machine>;

  /**
   * Takes back the labelled machines of an earlier process that still run, and clears away every
   * other trace of it.
   */
  adopt(signal: AbortSignal): Promise<readonly Machine[]>;

  /** Gives back what machines share. @param keep Whether some of them go on without this process. */
  close(keep: boolean): Promise<void>;
}

export interface MachineSpec {
  /** Guest memory in MiB. */
  readonly memoryMiB: number;
  /** Virtual processors. */
  readonly vcpuCount: number;
}

/** A captured machine, from which any number of machines can start. */
export interface Template {
  readonly key: string;
  readonly spec: MachineSpec;
}

/** A running machine. Disposing of it ends it and gives back all that it held. */
export interface Machine extends AsyncDisposable {
  readonly id: string;
  readonly spec: MachineSpec;
  /** What {@link setLabel} stored, also by an earlier process. */
  readonly label: string | undefined;
  /** Time in ms of each step that brought the machine here. */
  readonly phasesMs: Readonly<Record<string, number>>;
  /** Settles once, when the machine is gone, with why. Never rejects. */
  readonly gone: Promise<MachineEnd>;

  /** Opens the byte stream to the guest. There is one at a time; the guest says HELLO on it. */
  connect(signal: AbortSignal): Promise<Duplex>;
  /** Stops the machine's processors; its memory stays. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Opens the network to the machine, as far as it may reach anything. Before that it reaches nothing. */
  setNetwork(grant: NetworkGrant, onRefused: (refusal: Refusal) => void): Promise<void>;
  /** Stores a text with the machine that outlives this process: see {@link Driver.adopt}. */
  setLabel(label: string): Promise<void>;
}
