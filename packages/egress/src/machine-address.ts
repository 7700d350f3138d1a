import { parseIpv4 } from "@skerry/protocol";

/** The networks between machines and the gateway, four addresses each; see `native/netns`. */
const firstAddress = parseIpv4("100.100.0.0") ?? 0;
const perMachine = 4;
const ownOffset = 2;
const numberMax = 16_383;

/** Which machine speaks from an address; null for what is none. */
export function machineOf(address: string | undefined): number | null {
  const value = parseIpv4(address ?? "");
  if (value === null) return null;
  const offset = value - firstAddress - ownOffset;
  const number = offset / perMachine;
  return Number.isInteger(number) && number >= 1 && number <= numberMax ? number : null;
}
