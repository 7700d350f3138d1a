import {
  allowNetOf,
  limits,
  SandboxError,
  type Guest,
  type HostedMachine,
  type NetworkGrant,
  type NetworkPolicy,
  type SandboxId,
  type SecretGrant,
} from "@skerry/protocol";
import type { Logger } from "pino";

import type { EndReason, EventKind } from "../store/store.ts";
import { creationError } from "./creation-error.ts";
import { decide } from "./decide.ts";
import { Journal } from "./journal.ts";
import type { SandboxEffect, SandboxRequest, SandboxState } from "./lifecycle.ts";
import type { SandboxClient, SandboxContext, SandboxOwner, SandboxSpec } from "./spec.ts";

/**
 * The actor of one sandbox: the only thing that changes it. Requests are decided one at a time by
 * `decide.ts`, and their effects are carried out here.
 */
export class Sandbox {
  readonly id: SandboxId;
  readonly owner: SandboxOwner;
  readonly region: string;
  readonly memoryMiB: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
  readonly log: Logger;
  readonly #context: SandboxContext;
  readonly #journal: Journal;
  readonly #clients = new Set<SandboxClient>();
  readonly #creation = new AbortController();
  readonly #ended = Promise.withResolvers<EndReason>();
  #state: SandboxState;
  #machine: HostedMachine | null = null;
  #isLetGo = false;
  /** How its machine ended, when that was not our doing. */
  #crash: string | null = null;
  #timer: Disposable | null = null;
  #networkChange: Promise<void> = Promise.resolve();

  constructor(
    id: SandboxId,
    owner: SandboxOwner,
    spec: Omit<SandboxSpec, "env" | "network" | "secrets">,
    createdAtMs: number,
    context: SandboxContext,
  ) {
    this.id = id;
    this.owner = { organizationId: owner.organizationId, createdBy: owner.createdBy };
    this.region = spec.region;
    this.memoryMiB = spec.memoryMiB;
    this.labels = spec.labels;
    this.createdAtMs = createdAtMs;
    this.log = context.log.child({ sandboxId: id });
    this.#context = context;
    this.#journal = new Journal(id, context.store, this.log);
    const { stopAtMs } = spec;
    const lifetime =
      stopAtMs === null
        ? ({ kind: "session" } as const)
        : ({ kind: "duration", stopAtMs } as const);
    this.#state = { kind: "creating", lifetime };
  }

  /**
   * When it is entirely over here: the store knows, and its machine is disposed of or handed over.
   * Never rejects.
   */
  get ended(): Promise<EndReason> {
    return this.#ended.promise;
  }

  get isRunning(): boolean {
    return this.#state.kind === "running";
  }

  /** Null for a session sandbox, and for one that is over. */
  get stopAtMs(): number | null {
    const state = this.#state;
    const isDuration = "lifetime" in state && state.lifetime.kind === "duration";
    return isDuration ? state.lifetime.stopAtMs : null;
  }

  /** @throws {SandboxError} `SANDBOX_GONE` when there is no machine (any more). */
  get guest(): Guest {
    if (this.#machine === null) throw new SandboxError("SANDBOX_GONE");
    return this.#machine.guest;
  }

  /**
   * Starts the machine; resolves when the sandbox runs and is in the store. When it rejects, nothing
   * is left.
   *
   * @throws {SandboxError} the host's codes, and `CANCELLED`.
   */
  async start({ env, network: policy, secrets }: SandboxSpec, signal: AbortSignal): Promise<void> {
    const { host } = this.#context;
    const network = { policy, secrets: [...secrets] };
    const { id, memoryMiB } = this;
    const deadline = AbortSignal.timeout(limits.createMs);
    const until = AbortSignal.any([signal, this.#creation.signal, deadline]);
    try {
      until.throwIfAborted();
      const machine = await host.create({ id, memoryMiB, env, network }, until);
      await this.#takeMachine(machine, until);
    } catch (error) {
      this.request({ kind: "failed" });
      throw creationError(error, this.#state, deadline);
    }
  }

  /** Takes up a machine that an earlier process of this server started. */
  adopt(machine: HostedMachine): void {
    this.#setMachine(machine);
    this.request({ kind: "started" });
  }

  /**
   * Asks something of the sandbox, or tells it what happened.
   *
   * @throws {SandboxError} when the answer is no.
   */
  request(request: SandboxRequest): void {
    const { clock, lifetimeMaxMs } = this.#context;
    const decision = decide(this.#state, request, { nowMs: clock.now(), lifetimeMaxMs });
    if (decision.kind === "refuse") throw new SandboxError(decision.code, decision.detail);
    const before = this.#state;
    this.#state = decision.next;
    for (const effect of decision.effects) this.#perform(effect);
    if (decision.next.kind === "stopped" && before.kind !== "stopped") {
      void this.#finish(decision.next.reason);
    }
  }

  /** Lets a client in; it is told when the sandbox ends. */
  attach(client: SandboxClient): void {
    this.request({ kind: "connect" });
    this.#clients.add(client);
  }

  detach(client: SandboxClient): void {
    this.#clients.delete(client);
  }

  /** Moves the end of life. Answers with what was granted, in Unix ms. */
  extend(stopAtMs: number): number {
    this.request({ kind: "extend", stopAtMs });
    const granted = this.stopAtMs ?? stopAtMs;
    this.record("extended", { stopAtMs: granted });
    return granted;
  }

  /** What it may reach, and with which secrets. @throws {SandboxError} `SANDBOX_NOT_FOUND` */
  get network(): NetworkGrant {
    if (this.#machine === null) throw new SandboxError("SANDBOX_NOT_FOUND");
    return this.#machine.network;
  }

  /** What it may reach from now on. @throws {SandboxError} `SANDBOX_NOT_FOUND`, and the host's codes. */
  async setPolicy(policy: NetworkPolicy): Promise<void> {
    await this.#changeNetwork(({ secrets }) => ({ policy, secrets }));
    this.record("network-changed", { allowNet: allowNetOf(policy) });
  }

  /**
   * A secret that it has from now on, in place of the one of that name. Programs that run go on with a
   * new value; a variable that is new is there for programs that start later.
   *
   * @param make Makes it from the one that it has by that name.
   * @throws {SandboxError} `SANDBOX_NOT_FOUND`, and the host's codes; what `make` throws.
   */
  async setSecret(
    name: string,
    make: (before: SecretGrant | undefined, count: number) => SecretGrant,
  ): Promise<SecretGrant> {
    let made: SecretGrant | undefined;
    await this.#changeNetwork(({ policy, secrets }) => {
      made = make(
        secrets.find((secret) => secret.name === name),
        secrets.length,
      );
      return { policy, secrets: [...secrets.filter((secret) => secret.name !== name), made] };
    });
    if (made === undefined) throw new Error("the secret was not made");
    const { vault, store } = this.#context;
    await store.secrets.put({ sandboxId: this.id, name, sealed: vault.seal(this.id, made) });
    await this.guest.call("env.set", { key: name, value: made.placeholder });
    this.record("secret-changed", { secret: name });
    return made;
  }

  /** Takes a secret away. @throws {SandboxError} `SANDBOX_NOT_FOUND`, `NOT_FOUND`, and the host's codes. */
  async removeSecret(name: string): Promise<void> {
    await this.#changeNetwork(({ policy, secrets }) => {
      const left = secrets.filter((secret) => secret.name !== name);
      if (left.length === secrets.length) throw new SandboxError("NOT_FOUND", `secret ${name}`);
      return { policy, secrets: left };
    });
    await this.#context.store.secrets.remove(this.id, name);
    await this.guest.call("env.delete", { key: name });
    this.record("secret-removed", { secret: name });
  }

  /** One change at a time, so that none is lost to another. */
  async #changeNetwork(change: (now: NetworkGrant) => NetworkGrant): Promise<void> {
    const before = this.#networkChange;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#networkChange = promise;
    try {
      await before;
      if (this.#machine === null || !this.isRunning) throw new SandboxError("SANDBOX_NOT_FOUND");
      await this.#machine.setNetwork(change(this.#machine.network));
    } finally {
      resolve();
    }
  }

  /** Adds to the sandbox's event log, some time soon. */
  record(kind: EventKind, detail: Readonly<Record<string, unknown>>): void {
    this.#journal.record(this.#context.clock.now(), kind, detail);
  }

  async #takeMachine(machine: HostedMachine, until: AbortSignal): Promise<void> {
    this.#setMachine(machine);
    try {
      until.throwIfAborted();
      await this.#insert();
      until.throwIfAborted();
      this.request({ kind: "started" });
    } catch (error) {
      await this.#dispose(machine);
      const nowMs = this.#context.clock.now();
      this.#journal.save((store) => store.sandboxes.setStopped(this.id, nowMs, "failed"));
      throw error;
    }
    const { origin } = machine;
    this.record("created", {
      from: origin.from,
      memoryMiB: this.memoryMiB,
      stopAtMs: this.stopAtMs,
    });
    this.log.info({ from: origin.from, phasesMs: origin.phasesMs }, "sandbox created");
  }

  #setMachine(machine: HostedMachine): void {
    this.#machine = machine;
    machine.onRefused = (refusal) => {
      const isSecret = refusal.reason.startsWith("secret-");
      this.record(isSecret ? "secret-refused" : "network-refused", refusal);
    };
    void machine.gone.then(({ detail }) => {
      if (this.#isLetGo) return;
      this.log.error({ detail }, "machine crashed");
      this.#crash = detail;
      this.request({ kind: "gone" });
    });
  }

  async #insert(): Promise<void> {
    const { id, region, createdAtMs, memoryMiB, labels, stopAtMs } = this;
    const { store, vault } = this.#context;
    const sealed = this.network.secrets.map((secret) => ({
      ...{ sandboxId: id, name: secret.name, sealed: vault.seal(id, secret) },
    }));
    await store.sandboxes.insert(
      {
        ...{ id, ...this.owner, region, createdAtMs, memoryMiB, labels, stopAtMs },
        ...{ status: "running", stoppedAtMs: null, endReason: null },
      },
      sealed,
    );
  }

  #perform(effect: SandboxEffect): void {
    switch (effect.kind) {
      case "arm":
        this.#arm(effect.atMs);
        return;
      case "disarm":
        this.#timer?.[Symbol.dispose]();
        return;
      case "abort-create":
        this.#creation.abort();
        return;
      case "dispose":
        void this.#disposeMachine();
        return;
      case "close-clients":
        for (const client of this.#clients) client.end(effect.code, effect.reason);
        this.#clients.clear();
        return;
      case "save-stop-at":
        this.#journal.save((store) => store.sandboxes.setStopAt(this.id, effect.stopAtMs));
        return;
      case "save-stopped":
        this.#saveStopped(effect.reason);
        return;
    }
  }

  #arm(atMs: number): void {
    const { clock } = this.#context;
    this.#timer?.[Symbol.dispose]();
    this.#timer = clock.setTimer(atMs - clock.now(), () => this.request({ kind: "time" }));
  }

  #saveStopped(reason: EndReason): void {
    const nowMs = this.#context.clock.now();
    this.record("stopped", { reason, ...(this.#crash !== null && { detail: this.#crash }) });
    this.#journal.save((store) => store.sandboxes.setStopped(this.id, nowMs, reason));
    this.log.info({ reason, livedMs: nowMs - this.createdAtMs }, "sandbox ended");
  }

  async #disposeMachine(): Promise<void> {
    if (this.#machine !== null) await this.#dispose(this.#machine);
    this.request({ kind: "disposed" });
  }

  /** Cleaning up has no caller to tell of a failure, and the host's reaper gets what is left. */
  async #dispose(machine: HostedMachine): Promise<void> {
    this.#isLetGo = true;
    const { promise: tooLong, resolve } = Promise.withResolvers<void>();
    using _timer = this.#context.clock.setTimer(2 * limits.disposeMs, () => {
      this.log.error("machine does not go away");
      resolve();
    });
    try {
      await Promise.race([machine[Symbol.asyncDispose](), tooLong]);
    } catch (error) {
      this.log.error({ err: error }, "machine not disposed of cleanly");
    }
  }

  async #finish(reason: EndReason): Promise<void> {
    this.#isLetGo = true;
    this.#machine = null;
    await this.#journal.settled();
    this.#ended.resolve(reason);
  }
}
