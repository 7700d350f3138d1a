import { connect, type Socket } from "node:net";

import { limits, type Destination } from "@skerry/protocol";

import type { Upstream } from "./names/upstream.ts";
import type { IsRefused } from "./refused-addresses.ts";

/** What finds out where a name leads, and who may be dialled. */
export interface Dialling {
  readonly upstream: Upstream;
  readonly isRefused: IsRefused;
}

/**
 * Connects to where a machine may go. A name is looked up now, and what it leads to is judged now.
 *
 * @param chosen The address that the machine has chosen, which is tried first if the name leads to it.
 * @throws {Error} when nobody answers.
 */
export async function dial(
  to: Destination,
  port: number,
  chosen: string,
  dialling: Dialling,
): Promise<Socket> {
  const addresses =
    to.kind === "address" ? [to.address] : await addressesOf(to.name, port, chosen, dialling);
  const deadline = AbortSignal.timeout(limits.egressConnectMs);
  let failure: unknown = new Error("there is no address");
  for (const host of addresses.slice(0, limits.nameAddressesMax)) {
    try {
      return await dialOne(host, port, deadline);
    } catch (error) {
      deadline.throwIfAborted();
      failure = error;
    }
  }
  throw failure;
}

async function addressesOf(
  name: string,
  port: number,
  chosen: string,
  { upstream, isRefused }: Dialling,
): Promise<readonly string[]> {
  const found = await upstream.addresses(name);
  const addresses = found
    .map(({ address }) => address)
    .filter((address) => !isRefused(address, port));
  return addresses.includes(chosen)
    ? [chosen, ...addresses.filter((address) => address !== chosen)]
    : addresses;
}

async function dialOne(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ host, port, allowHalfOpen: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener("abort", abort);
  socket.once("connect", resolve);
  socket.once("error", reject);
  try {
    await promise;
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
