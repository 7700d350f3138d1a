import {
  limits,
  ruleForAddress,
  ruleForName,
  type Destination,
  type NetworkGrant,
  type NetworkPolicy,
  type Refusal,
  type SecretGrant,
} from "@skerry/protocol";

import { Bindings } from "./bindings.ts";

/** A connection of a machine, by what it was let through as. */
export interface OpenConnection {
  readonly to: Destination;
  readonly port: number;
  cut(): void;
}

/** What egress knows of one machine. */
export class MachineState {
  readonly number: number;
  readonly policy: NetworkPolicy;
  readonly secrets: readonly SecretGrant[];
  /** Which names have led it where, under earlier policies too: each is judged anew when it counts. */
  readonly bindings: Bindings;
  /** The connections that are open. */
  readonly connections = new Set<OpenConnection>();
  /** How many queries are. */
  queries = 0;
  readonly #tell: (refusal: Refusal) => void;
  readonly #now: () => number;
  readonly #told = new Set<string>();
  #minuteMs = 0;

  constructor(
    number: number,
    { policy, secrets }: NetworkGrant,
    options: { readonly now: () => number; readonly tell: (refusal: Refusal) => void },
    bindings: Bindings = new Bindings(options.now),
  ) {
    this.number = number;
    this.policy = policy;
    this.secrets = secrets;
    this.bindings = bindings;
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

  /** Cuts connections that it may not have any more. */
  set(number: number, grant: NetworkGrant | null): void {
    const { now, tell } = this.#options;
    const before = this.#states.get(number);
    this.#states.delete(number);
    if (grant !== null) {
      const options = { now, tell: (refusal: Refusal) => tell(number, refusal) };
      this.#states.set(number, new MachineState(number, grant, options, before?.bindings));
    }
    for (const connection of before?.connections ?? []) {
      if (grant === null || !mayHave(grant.policy, connection)) connection.cut();
      else this.#states.get(number)?.connections.add(connection);
    }
  }

  get(number: number | null): MachineState | undefined {
    return number === null ? undefined : this.#states.get(number);
  }
}

function mayHave(policy: NetworkPolicy, { to, port }: OpenConnection): boolean {
  return to.kind === "name"
    ? mayReachName(policy, to.name, port)
    : policy.kind === "open" || ruleForAddress(policy.rules, to.address, port) !== undefined;
}

/** Whether a policy lets a name be reached on a port. */
export function mayReachName(policy: NetworkPolicy, name: string, port: number): boolean {
  return policy.kind === "open" || ruleForName(policy.rules, name, port) !== undefined;
}
