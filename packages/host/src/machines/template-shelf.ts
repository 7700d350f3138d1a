import type { Logger } from "pino";

import { GuestClient } from "../guest/guest-client.ts";
import { GuestLink } from "../guest/guest-link.ts";
import type { Driver, Machine, MachineSpec, Template } from "../vmm/driver.ts";
import type { Gate } from "./gate.ts";
import { warmTemplate } from "./warm.ts";

/** Capturing is tried again: a guest may be at an unlucky point when it is captured. */
const triesMax = 3;

/** The templates that machines are restored from, made when they are first wanted. */
export class TemplateShelf {
  readonly #driver: Driver;
  readonly #gate: Gate;
  readonly #log: Logger;
  readonly #making = new Map<string, Promise<Template>>();

  constructor(driver: Driver, gate: Gate, log: Logger) {
    this.#driver = driver;
    this.#gate = gate;
    this.#log = log;
  }

  find(spec: MachineSpec): Promise<Template | undefined> {
    return this.#driver.findTemplate(spec);
  }

  /** The template for this size; the first caller's wait is the time of a boot. */
  async ensure(spec: MachineSpec, signal: AbortSignal): Promise<Template> {
    const found = await this.find(spec);
    if (found !== undefined) return found;
    const key = JSON.stringify(spec);
    const running = this.#making.get(key);
    if (running !== undefined) return await running;
    const making = this.#make(spec, signal).finally(() => this.#making.delete(key));
    this.#making.set(key, making);
    return await making;
  }

  async #make(spec: MachineSpec, signal: AbortSignal): Promise<Template> {
    using _place = await this.#gate.enter("background", signal);
    for (let tryNumber = 1; ; tryNumber += 1) {
      try {
        const started = performance.now();
        const template = await this.#driver.makeTemplate(
          spec,
          (machine) => warm(machine, signal),
          signal,
        );
        const durationMs = Math.round(performance.now() - started);
        this.#log.info({ ...spec, durationMs, templateKey: template.key }, "template made");
        return template;
      } catch (error) {
        signal.throwIfAborted();
        if (tryNumber === triesMax) throw error;
        this.#log.warn({ ...spec, tryNumber, err: error }, "a template could not be made");
      }
    }
  }
}

/** Warms the guest and leaves it asleep, waiting for its next host, which is how it is captured. */
async function warm(machine: Machine, signal: AbortSignal): Promise<void> {
  const link = await GuestLink.open(await machine.connect(signal), { canNudge: false, signal });
  try {
    await warmTemplate(new GuestClient(link));
  } finally {
    link.fail(new Error("the template is complete"));
  }
}
