import {
  type Guest,
  type HostApi,
  type HostedMachine,
  type HostStatus,
  limits,
  MachineLabel,
  openAccess,
  type MachineEnd,
  type MachineOrigin,
  type MachineRequest,
  type NetworkGrant,
  type Refusal,
  SandboxError,
  type SandboxId,
  type SecretGrant,
  toSandboxError,
} from "@skerry/protocol";
import type { Logger } from "pino";

import type { Driver, Machine, MachineSpec, Template } from "../vmm/driver.ts";
import { type Attached, attach, endOf } from "./attached.ts";
import type { EditorDisk } from "./editor-disk.ts";
import { Gate } from "./gate.ts";
import { giveIdentity } from "./identity.ts";
import { Pool } from "./pool.ts";
import { TemplateShelf } from "./template-shelf.ts";
import { warmMachine, warmShell } from "./warm.ts";

export interface HostOptions {
  readonly driver: Driver;
  readonly pool: { readonly size: number; readonly memoryMiB: number };
  /** Machines that may start at the same time: about as many as there are processors. */
  readonly parallelStarts: number;
  /** Checks that the host has room for one more machine; throws `HOST_DISK_FULL` when not. */
  readonly checkRoom: () => Promise<void>;
  /** Fills the disk with the editor; null: machines have none. */
  readonly editor: EditorDisk | null;
  readonly log: Logger;
}

/** How often a machine is started before it is given up. */
const triesMax = 2;

/**
 * The machines of this host.
 *
 * ```
 *  create ─▶ one that waits in the pool ──────────▶ resume ─▶ identity ─▶ ready   (milliseconds)
 *         └▶ none: restore from the template ─▶ greet ──────▶ identity ─▶ ready   (tenths of a second)
 *         └▶ no template of this size: boot ──▶ greet ──────▶ identity ─▶ ready   (seconds)
 * ```
 */
export class Host implements HostApi, AsyncDisposable {
  readonly #options: HostOptions;
  readonly #gate: Gate;
  readonly #shelf: TemplateShelf;
  readonly #pool: Pool;
  readonly #running = new Set<RunningMachine>();
  readonly #background = new Set<Promise<void>>();
  readonly #end = new AbortController();

  constructor(options: HostOptions) {
    const { driver, log, pool, parallelStarts } = options;
    this.#options = options;
    this.#gate = new Gate(parallelStarts);
    this.#shelf = new TemplateShelf(driver, this.#gate, log);
    this.#pool = new Pool({
      size: pool.size,
      prepare: (signal) => this.#prepareForPool(specOf(pool.memoryMiB), signal),
      log,
    });
  }

  /** Makes the template of the pool's size, when there is none, and starts to fill the pool. */
  async warmUp(signal: AbortSignal): Promise<void> {
    await this.#shelf.ensure(specOf(this.#options.pool.memoryMiB), signal);
    this.#pool.refill();
  }

  /** Resolves when the pool is full. */
  poolFull(signal: AbortSignal): Promise<void> {
    return this.#pool.full(signal);
  }

  async create(request: MachineRequest, signal: AbortSignal): Promise<HostedMachine> {
    const whole = AbortSignal.any([signal, this.#end.signal, AbortSignal.timeout(limits.createMs)]);
    try {
      return await this.#create(request, whole);
    } catch (error) {
      signal.throwIfAborted();
      if (this.#end.signal.aborted)
        throw new SandboxError("SHUTTING_DOWN", undefined, { cause: error });
      if (whole.aborted) throw new SandboxError("BOOT_TIMEOUT", undefined, { cause: error });
      throw toSandboxError(error);
    }
  }

  async adopt(
    wanted: ReadonlyMap<SandboxId, readonly SecretGrant[]>,
    signal: AbortSignal,
  ): Promise<readonly HostedMachine[]> {
    const machines = await this.#options.driver.adopt(signal);
    const adopted = await Promise.all(
      machines.map((machine) => this.#adoptOne(machine, wanted, signal)),
    );
    return adopted.filter((machine) => machine !== undefined);
  }

  async ensureEditor(signal: AbortSignal): Promise<void> {
    const { editor } = this.#options;
    if (editor === null) throw new SandboxError("EDITOR_UNAVAILABLE", "its machines are made up");
    await editor.ready(signal);
  }

  status(): HostStatus {
    const { kind, reason } = this.#options.driver.acceleration;
    return {
      acceleration: { kind, reason },
      poolReady: this.#pool.ready,
      machines: this.#running.size,
    };
  }

  /**
   * Stops the host.
   *
   * @param keep The sandboxes whose machines go on, to be adopted by the next process.
   */
  async close(keep: ReadonlySet<SandboxId> = new Set()): Promise<void> {
    this.#end.abort(new Error("the host is closed"));
    await this.#options.editor?.[Symbol.asyncDispose]();
    await this.#pool[Symbol.asyncDispose]();
    const ending = [...this.#running].filter(({ id }) => !keep.has(id));
    await Promise.all(ending.map((machine) => machine[Symbol.asyncDispose]()));
    await Promise.all(this.#background);
    await this.#options.driver.close(keep.size > 0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #create(request: MachineRequest, signal: AbortSignal): Promise<HostedMachine> {
    const started = performance.now();
    await this.#options.checkRoom();
    const { attached, from } = await this.#obtain(request.memoryMiB, signal);
    await using stack = new AsyncDisposableStack();
    stack.use(attached.machine);
    const obtained = performance.now();
    await giveIdentity(attached.guest, request.id, request.env, signal);
    await attached.machine.setLabel(labelOf(request.id, request.network));
    const running = this.#run(request.id, request.network, attached, {
      from,
      phasesMs: {
        ...(from !== "pool" && attached.machine.phasesMs),
        obtain: obtained - started,
        identity: performance.now() - obtained,
      },
    });
    await attached.machine.setNetwork(request.network, running.refused);
    signal.throwIfAborted();
    stack.move();
    return running;
  }

  async #obtain(
    memoryMiB: number,
    signal: AbortSignal,
  ): Promise<{ attached: Attached; from: MachineOrigin["from"] }> {
    if (memoryMiB === this.#options.pool.memoryMiB) {
      const claimed = await this.#claim();
      if (claimed !== undefined) return { attached: claimed, from: "pool" };
    }
    const spec = specOf(memoryMiB);
    const template = await this.#shelf.find(spec);
    if (template === undefined) this.#makeTemplateLater(spec);
    using _place = await this.#gate.enter("urgent", signal);
    if (template === undefined) {
      return { attached: await this.#start(spec, undefined, signal), from: "cold" };
    }
    const attached = await this.#start(spec, template, signal);
    await using stack = new AsyncDisposableStack();
    stack.use(attached.machine);
    await warmShell(attached.guest);
    stack.move();
    return { attached, from: "template" };
  }

  /** A machine of the pool, running; one that died while it waited is passed over. */
  async #claim(): Promise<Attached | undefined> {
    for (;;) {
      const claimed = this.#pool.take();
      if (claimed === undefined) return undefined;
      try {
        await claimed.machine.resume();
        return claimed;
      } catch (error) {
        this.#options.log.warn({ err: error }, "a machine of the pool could not be resumed");
        await claimed.machine[Symbol.asyncDispose]();
      }
    }
  }

  /** A machine that greets. One that dies before it does is tried again: an emulated kernel may, once in hundreds. */
  async #start(
    spec: MachineSpec,
    template: Template | undefined,
    signal: AbortSignal,
  ): Promise<Attached> {
    for (let tryNumber = 1; ; tryNumber += 1) {
      try {
        return await this.#startOnce(spec, template, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof SandboxError) throw error;
        if (tryNumber === triesMax) {
          throw new SandboxError("HOST_UNAVAILABLE", undefined, { cause: error });
        }
        this.#options.log.warn({ ...spec, tryNumber, err: error }, "a machine died as it started");
      }
    }
  }

  async #startOnce(
    spec: MachineSpec,
    template: Template | undefined,
    signal: AbortSignal,
  ): Promise<Attached> {
    const { driver } = this.#options;
    const isFresh = template === undefined;
    const deadline = AbortSignal.any([
      signal,
      AbortSignal.timeout(isFresh ? limits.bootMs : limits.restoreMs),
    ]);
    const machine = isFresh
      ? await driver.boot(spec, deadline)
      : await driver.restore(template, deadline);
    try {
      return await attach(machine, isFresh, deadline);
    } catch (error) {
      const { detail } = await endOf(machine);
      const cause = new Error(`the machine did not greet: ${detail}`, { cause: error });
      if (deadline.aborted) throw new SandboxError("BOOT_TIMEOUT", undefined, { cause });
      throw cause;
    }
  }

  async #prepareForPool(spec: MachineSpec, signal: AbortSignal): Promise<Attached> {
    const template = await this.#shelf.ensure(spec, signal);
    using _place = await this.#gate.enter("background", signal);
    await using stack = new AsyncDisposableStack();
    const attached = await this.#start(spec, template, signal);
    stack.use(attached.machine);
    await giveIdentity(attached.guest, "skerry", {}, signal);
    await warmMachine(attached.guest);
    // What most sandboxes get; another policy takes its place before anything of the user runs.
    await attached.machine.setNetwork(openAccess, () => {});
    await attached.machine.pause();
    stack.move();
    return attached;
  }

  #makeTemplateLater(spec: MachineSpec): void {
    const making = this.#shelf
      .ensure(spec, this.#end.signal)
      .then(
        () => undefined,
        (error: unknown) => {
          if (!this.#end.signal.aborted) this.#options.log.error({ err: error }, "no template");
        },
      )
      .finally(() => this.#background.delete(making));
    this.#background.add(making);
  }

  async #adoptOne(
    machine: Machine,
    wanted: ReadonlyMap<SandboxId, readonly SecretGrant[]>,
    signal: AbortSignal,
  ): Promise<HostedMachine | undefined> {
    const label = readLabel(machine.label);
    try {
      const secrets = label === undefined ? undefined : wanted.get(label.id);
      if (label === undefined || secrets === undefined)
        throw new Error("nobody wants this machine");
      const network = { policy: label.network, secrets: [...secrets] };
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(limits.guestCallMs)]);
      const attached = await attach(machine, false, deadline);
      const origin = { from: "adopted", phasesMs: {} } as const;
      const running = this.#run(label.id, network, attached, origin);
      await machine.setNetwork(network, running.refused);
      return running;
    } catch (error) {
      this.#options.log.info({ machineId: machine.id, err: error }, "machine not taken back");
      await machine[Symbol.asyncDispose]();
      return undefined;
    }
  }

  #run(
    id: SandboxId,
    network: NetworkGrant,
    attached: Attached,
    origin: MachineOrigin,
  ): RunningMachine {
    const running = new RunningMachine(id, network, attached, origin);
    this.#running.add(running);
    void running.gone.then(() => this.#running.delete(running));
    return running;
  }
}

class RunningMachine implements HostedMachine {
  readonly id: SandboxId;
  readonly guest: Guest;
  readonly gone: Promise<MachineEnd>;
  readonly origin: MachineOrigin;
  onRefused: ((refusal: Refusal) => void) | null = null;
  readonly #machine: Machine;
  #network: NetworkGrant;
  #isDisposed = false;

  constructor(
    id: SandboxId,
    network: NetworkGrant,
    { machine, guest }: Attached,
    origin: MachineOrigin,
  ) {
    this.id = id;
    this.#network = network;
    this.guest = guest;
    this.gone = machine.gone.then(({ detail }) => ({
      // Whatever ended the machine, it crashed unless its owner disposed of it.
      kind: this.#isDisposed ? "disposed" : "crashed",
      detail,
    }));
    this.origin = origin;
    this.#machine = machine;
  }

  get network(): NetworkGrant {
    return this.#network;
  }

  async setNetwork(network: NetworkGrant): Promise<void> {
    // The label first: whoever takes the machine up after a crash must not know less than was promised.
    await this.#machine.setLabel(labelOf(this.id, network));
    this.#network = network;
    await this.#machine.setNetwork(network, this.refused);
  }

  readonly refused = (refusal: Refusal): void => this.onRefused?.(refusal);

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    await this.#machine[Symbol.asyncDispose]();
  }
}

/** It is written to a file: the secrets are not in it. */
function labelOf(id: SandboxId, { policy }: NetworkGrant): string {
  return JSON.stringify({ id, network: policy } satisfies MachineLabel);
}

function readLabel(text: string | undefined): MachineLabel | undefined {
  try {
    return MachineLabel.parse(JSON.parse(text ?? ""));
  } catch {
    return undefined; // of another version, or half written
  }
}

function specOf(memoryMiB: number): MachineSpec {
  return { memoryMiB, vcpuCount: limits.vcpuCount };
}
