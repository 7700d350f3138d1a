import {
  openAccess,
  type HostApi,
  type HostedMachine,
  type HostStatus,
  type MachineEnd,
  type MachineRequest,
  type NetworkGrant,
  type SandboxId,
  type SecretGrant,
} from "@skerry/protocol";

import { FakeGuest } from "./fake-guest.ts";

/** A host whose machines are objects. Tests look into them and break them. */
export class FakeHost implements HostApi, AsyncDisposable {
  readonly machines = new Map<SandboxId, FakeMachine>();
  /** What an earlier process left: {@link adopt} finds these. */
  readonly left = new Map<SandboxId, FakeMachine>();
  /** The ids that were asked for at the last {@link adopt}. */
  wanted: ReadonlyMap<SandboxId, readonly SecretGrant[]> = new Map();
  /** Runs while a machine is made; may wait, and may throw what `create` then rejects with. */
  beforeCreate: (signal: AbortSignal) => Promise<void> = async () => {};
  /** Runs while a machine is disposed of. */
  beforeDispose: () => Promise<void> = async () => {};

  /** Runs when an editor is wanted; may wait, and may throw. */
  beforeEditor: (signal: AbortSignal) => Promise<void> = async () => {};

  async create({ id, env, network }: MachineRequest, signal: AbortSignal): Promise<HostedMachine> {
    await this.beforeCreate(signal);
    signal.throwIfAborted();
    const machine = new FakeMachine(id, env, this);
    machine.network = network;
    return this.#add(machine);
  }

  async adopt(
    wanted: ReadonlyMap<SandboxId, readonly SecretGrant[]>,
  ): Promise<readonly HostedMachine[]> {
    this.wanted = wanted;
    return [...this.left.values()]
      .filter(({ id }) => wanted.has(id))
      .map((machine) => this.#add(machine));
  }

  async ensureEditor(signal: AbortSignal): Promise<void> {
    await this.beforeEditor(signal);
  }

  status(): HostStatus {
    const acceleration = { kind: "fake", reason: "machines of this host are objects" };
    return { acceleration, poolReady: 0, machines: this.machines.size };
  }

  /** The only machine. */
  get machine(): FakeMachine {
    const [machine, ...more] = this.machines.values();
    if (machine === undefined || more.length > 0) throw new Error("there is not just one machine");
    return machine;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const machine of this.machines.values()) await machine[Symbol.asyncDispose]();
  }

  #add(machine: FakeMachine): FakeMachine {
    this.machines.set(machine.id, machine);
    return machine;
  }
}

/** One machine of a {@link FakeHost}. */
export class FakeMachine implements HostedMachine {
  readonly id: SandboxId;
  readonly guest: FakeGuest;
  readonly gone: Promise<MachineEnd>;
  readonly origin = { from: "fake", phasesMs: { make: 0 } } as const;
  onRefused: HostedMachine["onRefused"] = null;
  network: NetworkGrant = openAccess;
  readonly #host: FakeHost;
  readonly #gone = Promise.withResolvers<MachineEnd>();

  constructor(id: SandboxId, env: Readonly<Record<string, string>>, host: FakeHost) {
    this.id = id;
    this.guest = new FakeGuest(env);
    this.gone = this.#gone.promise;
    this.#host = host;
  }

  async setNetwork(network: NetworkGrant): Promise<void> {
    this.network = network;
  }

  crash(): void {
    this.#end({ kind: "crashed", detail: "a test said so" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host.beforeDispose();
    this.#end({ kind: "disposed", detail: "disposed" });
    this.#host.machines.delete(this.id);
  }

  #end(end: MachineEnd): void {
    this.guest.lose();
    this.#gone.resolve(end);
  }
}
