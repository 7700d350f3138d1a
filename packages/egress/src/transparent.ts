import { connect, createServer, type Socket } from "node:net";

import { limits } from "@skerry/protocol";

import { decide } from "./decide.ts";
import { machineOf } from "./machine-address.ts";
import type { Machines, MachineState } from "./machines.ts";
import type { Upstream } from "./names/upstream.ts";

export interface TransparentOptions {
  readonly machines: Machines;
  readonly upstream: Upstream;
  /** Whether no machine may reach an address. */
  readonly isRefused: (address: string) => boolean;
}

/** Takes the connections of filtered machines, whatever address they were meant for. */
export function serveConnections(fd: number, options: TransparentOptions): void {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    socket.on("error", () => {}); // `close` follows
    const machine = options.machines.get(machineOf(socket.remoteAddress));
    if (machine === undefined || machine.policy.kind !== "filtered") {
      socket.resetAndDestroy();
      return;
    }
    void serve(socket, machine, options);
  });
  server.listen({ fd });
}

/** Never rejects. A connection that is refused is reset, so that the machine knows at once. */
async function serve(
  socket: Socket,
  machine: MachineState,
  options: TransparentOptions,
): Promise<void> {
  const { machines } = options;
  const { localAddress: address = "", localPort: port = 0 } = socket;
  if (machine.connections.size >= limits.egressConnectionsMax) {
    machine.refuse({ host: address, port, reason: "too-many" });
    socket.resetAndDestroy();
    return;
  }
  const decision = decide(machine, address, port, options.isRefused);
  if (decision.kind === "refuse") {
    machine.refuse(decision.refusal);
    socket.resetAndDestroy();
    return;
  }
  const connection = { to: decision, port, cut: () => void socket.resetAndDestroy() };
  machine.connections.add(connection);
  socket.once("close", () => {
    // Under another policy the machine has another state.
    machine.connections.delete(connection);
    machines.get(machine.number)?.connections.delete(connection);
  });
  try {
    const to =
      decision.kind === "address" ? [address] : await addressesOf(decision.name, address, options);
    join(socket, await dial(to, port));
  } catch {
    const host = decision.kind === "name" ? decision.name : address;
    machine.refuse({ host, port, reason: "no-answer" });
    socket.resetAndDestroy();
  }
}

/** Where a name leads now, the address that the machine has chosen first. */
async function addressesOf(
  name: string,
  chosen: string,
  { upstream, isRefused }: TransparentOptions,
): Promise<readonly string[]> {
  const found = await upstream.addresses(name);
  const addresses = found.map(({ address }) => address).filter((address) => !isRefused(address));
  return addresses.includes(chosen)
    ? [chosen, ...addresses.filter((address) => address !== chosen)]
    : addresses;
}

async function dial(addresses: readonly string[], port: number): Promise<Socket> {
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

/** Carries bytes both ways, each at the pace of its reader, until both have ended or one breaks. */
function join(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on("error", () => to.resetAndDestroy());
    from.on("close", () => to.destroy());
    from.setTimeout(limits.egressIdleMs, () => from.destroy());
    from.pipe(to);
  }
}
