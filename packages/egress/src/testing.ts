import { parseAllowRule, type Refusal } from "@skerry/protocol";

import { MachineState } from "./machines.ts";
import { NoSuchName, type Upstream } from "./names/upstream.ts";

/** A filtered machine, what was refused to it, and its clock. */
export interface TestMachine {
  readonly machine: MachineState;
  readonly refused: Refusal[];
  readonly clock: { ms: number };
}

export function machineWith(...allowed: readonly string[]): TestMachine {
  const refused: Refusal[] = [];
  const clock = { ms: 0 };
  const policy = { kind: "filtered", rules: allowed.map(parseAllowRule) } as const;
  const machine = new MachineState(
    1,
    { policy, secrets: [] },
    {
      now: () => clock.ms,
      tell: (refusal) => refused.push(refusal),
    },
  );
  return { machine, refused, clock };
}

/** A name server that knows these names; it answers messages with themselves. */
export function upstreamOf(names: Readonly<Record<string, readonly string[]>>): Upstream {
  return {
    async addresses(name) {
      const found = names[name];
      if (found === undefined) throw new NoSuchName(name);
      return found.map((address) => ({ address, ttl: 0 }));
    },
    exchange: async (message) => message,
  };
}
