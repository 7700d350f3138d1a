import { ruleForAddress, ruleForName, type Destination, type Refusal } from "@skerry/protocol";

import type { MachineState } from "./machines.ts";
import type { IsRefused } from "./refused-addresses.ts";

/** Where a connection goes: to a name, whose addresses are looked up anew, or to an address itself. */
export type Decision = Destination | { readonly kind: "refuse"; readonly refusal: Refusal };

/**
 * Whether a machine may connect to an address, and as what: an address counts as a name only when that
 * name has led the machine to it, and the name may be reached on this port.
 */
export function decide(
  machine: MachineState,
  address: string,
  port: number,
  isRefused: IsRefused,
): Decision {
  const { policy, bindings } = machine;
  const refuse = (host: string, reason: Refusal["reason"]): Decision => {
    return { kind: "refuse", refusal: { host, port, reason } };
  };
  if (isRefused(address, port)) return refuse(address, "refused-address");
  if (policy.kind === "open") return { kind: "address", address };
  const { rules } = policy;
  const names = bindings.namesOf(address);
  const name = names.find((each) => ruleForName(rules, each, port) !== undefined);
  if (name !== undefined) return { kind: "name", name };
  if (ruleForAddress(rules, address, port) !== undefined) return { kind: "address", address };
  const [known] = names;
  return known === undefined ? refuse(address, "no-name") : refuse(known, "no-rule");
}
