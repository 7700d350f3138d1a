import { limits, type NetworkPolicy, type Refusal } from "@skerry/protocol";

import { Bindings } from "./bindings.ts";

/** What egress knows of one machine. */
export class MachineState {
  readonly number: number;
  readonly policy: NetworkPolicy;
  readonly bindings: Bindings;
  /** Connections and queries that are open. */
  connections = 0;
  queries = 0;
  readonly #tell: (refusal: Refusal) => void;
  readonly #now: () => number;
  readonly #told = new Set<string>();
  #minuteMs = 0;

  constructor(
    number: number,
    policy: NetworkPolicy,
    options: { readonly now: () => number; readonly tell: (refusal: Refusal) => void },
  ) {
    this.number = number;
    this.policy = policy;
    this.bindings = new Bindings(options.now);
    this.#now = options.now;
    this.#tell = options.tell;
  }

  /** Tells that something was refused, each thing once in a minute. */
  refuse(refusal: Refusal): void {
    const minuteMs = Math.floor(this.#now() / 60_000);
    if (minuteMs !== this.#minuteMs) this.#told.clear();
    this.#minuteMs = minuteMs;
    const key = JSON.stringify(refusal);
    if (this.#told.has(key) || this.#told.size >= limits.refusalsPerMinuteMax) return;
    this.#told.add(key);
    this.#tell(refusal);
  }
}

/** The machines that there are, by their numbers. */
export class Machines {
  readonly #states = new Map<number, MachineState>();
  readonly #options: {
    readonly now: () => number;
    readonly tell: (machine: number, refusal: Refusal) => void;
  };

  constructor(options: {
    readonly now: () => number;
    readonly tell: (machine: number, refusal: Refusal) => void;
  }) {
    this.#options = options;
  }

  /** Connections that are open go on; what it has learnt under another policy is forgotten. */
  set(number: number, policy: NetworkPolicy | null): void {
    const { now, tell } = this.#options;
    if (policy === null) this.#states.delete(number);
    else {
      const options = { now, tell: (refusal: Refusal) => tell(number, refusal) };
      this.#states.set(number, new MachineState(number, policy, options));
    }
  }

  get(number: number | null): MachineState | undefined {
    return number === null ? undefined : this.#states.get(number);
  }
}
