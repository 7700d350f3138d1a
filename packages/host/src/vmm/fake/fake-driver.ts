import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers/promises";

import type { MachineEnd } from "@skerry/protocol";

import type { Driver, Machine, MachineSpec, Template } from "../driver.ts";
import { FakeGuest } from "./fake-guest.ts";

/**
 * Machines in memory: a guest of a few built-in commands and a flat file system, over the same
 * frames as a real one. It serves tests that need no machine, and passes the same contract suite.
 */
export class FakeDriver implements Driver {
  readonly acceleration = { kind: "fake", reason: "machines in memory, for tests" };
  /** What live machines hold, in the order taken; the contract suite compares it with nothing. */
  readonly held: string[] = [];
  readonly #templates = new Map<string, Template>();

  async boot(spec: MachineSpec, signal: AbortSignal): Promise<Machine> {
    await using stack = new AsyncDisposableStack();
    const id = randomBytes(8).toString("hex");
    for (const thing of ["files", "cgroup", "process"]) {
      signal.throwIfAborted();
      const held = `${thing} of ${id}`;
      this.held.push(held);
      stack.defer(() => {
        this.held.splice(this.held.indexOf(held), 1);
      });
      await setImmediate();
      signal.throwIfAborted();
    }
    return new FakeMachine(id, spec, stack.move());
  }

  async findTemplate(spec: MachineSpec): Promise<Template | undefined> {
    return this.#templates.get(JSON.stringify(spec));
  }

  async makeTemplate(
    spec: MachineSpec,
    warm: (machine: Machine) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Template> {
    await using machine = await this.boot(spec, signal);
    await warm(machine);
    signal.throwIfAborted();
    const template = { key: JSON.stringify(spec), spec };
    this.#templates.set(template.key, template);
    return template;
  }

  async restore(template: Template, signal: AbortSignal): Promise<Machine> {
    return await this.boot(template.spec, signal);
  }

  async adopt(): Promise<readonly Machine[]> {
    return []; // nothing in memory outlives its process
  }

  async close(): Promise<void> {}
}

class FakeMachine implements Machine {
  readonly id: string;
  readonly spec: MachineSpec;
  readonly phasesMs = {};
  readonly #guest = new FakeGuest();
  readonly #held: AsyncDisposableStack;
  readonly #gone = Promise.withResolvers<MachineEnd>();
  #label: string | undefined;
  #disposal: Promise<void> | undefined;

  constructor(id: string, spec: MachineSpec, held: AsyncDisposableStack) {
    this.id = id;
    this.spec = spec;
    this.#held = held;
    held.defer(() => this.#guest.end());
  }

  get label(): string | undefined {
    return this.#label;
  }

  get gone(): Promise<MachineEnd> {
    return this.#gone.promise;
  }

  async connect(signal: AbortSignal): Promise<Duplex> {
    signal.throwIfAborted();
    return this.#guest.connect();
  }

  async pause(): Promise<void> {}
  async resume(): Promise<void> {}

  async setNetwork(): Promise<void> {}

  async setLabel(label: string): Promise<void> {
    this.#label = label;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#held.disposeAsync().then(() => {
      this.#gone.resolve({ kind: "disposed", detail: "disposed of" });
    });
    return this.#disposal;
  }
}
