import { isRefusedAddress } from "@skerry/protocol";

/** Whether no machine may reach an address on a port, or on any when that is null. */
export type IsRefused = (address: string, port: number | null) => boolean;

/**
 * What is always refused: networks that are nobody's business, and this host's own addresses, since it may
 * have one that the internet knows.
 *
 * @param exceptions What the operator allows all the same, as `"10.0.0.5:8443"`.
 * @param ownAddresses This host's addresses now.
 */
export function refusedAddresses(
  exceptions: readonly string[],
  ownAddresses: () => readonly string[],
): IsRefused {
  const ports = Map.groupBy(exceptions, (exception) => exception.split(":")[0] ?? "");
  return (address, port) => {
    const excepted = ports.get(address) ?? [];
    if (port === null ? excepted.length > 0 : excepted.includes(`${address}:${port}`)) return false;
    return isRefusedAddress(address) || ownAddresses().includes(address);
  };
}
