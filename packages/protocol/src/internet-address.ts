/** Networks that no machine reaches, whatever its policy; `native/netns` has the same for the kernel. */
const refusedNetworks: readonly (readonly [network: string, prefix: number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["224.0.0.0", 3],
];

/** An IPv4 address as a number; null unless it is four decimal numbers without leading zeros. */
export function parseIpv4(text: string): number | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  let value = 0;
  for (const part of parts) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    value = value * 256 + Number(part);
  }
  return value;
}

/**
 * Whether no machine may reach an address: loopback, private and shared networks, link-local and metadata
 * addresses, multicast, reserved ones; and whatever is not IPv4, since machines have nothing else.
 */
export function isRefusedAddress(text: string): boolean {
  const address = parseIpv4(text);
  if (address === null) return true;
  return refusedNetworks.some(([network, prefix]) => {
    const size = 2 ** (32 - prefix);
    return Math.floor(address / size) === Math.floor((parseIpv4(network) ?? 0) / size);
  });
}
