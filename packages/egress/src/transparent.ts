import { createServer, type Socket } from "node:net";

import {
  isSecretFor,
  limits,
  readName,
  type Destination,
  type SecretGrant,
} from "@skerry/protocol";

import { decide } from "./decide.ts";
import { dial, type Dialling } from "./dial.ts";
import { join } from "./join.ts";
import { machineOf } from "./machine-address.ts";
import { mayReachName, type Machines, type MachineState } from "./machines.ts";
import type { Line } from "./secrets/admit.ts";
import type { Interceptor } from "./secrets/intercept.ts";
import { Placeholders } from "./secrets/placeholders.ts";
import { SecretInClearError, Watch } from "./secrets/watch.ts";
import { peek, type Peeked } from "./tls/peek.ts";

export interface TransparentOptions extends Dialling {
  readonly machines: Machines;
  readonly interceptor: Interceptor;
}

/** A connection that a machine may have. */
interface Taken {
  readonly socket: Socket;
  readonly machine: MachineState;
  /** Where the machine meant to go. */
  readonly address: string;
  readonly port: number;
}

/** Takes the connections of machines that are not let out by the kernel, whatever address they were meant for. */
export function serveConnections(fd: number, options: TransparentOptions): void {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    socket.on("error", () => {}); // `close` follows
    const machine = options.machines.get(machineOf(socket.remoteAddress));
    if (machine === undefined) {
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
  const taken = { socket, machine, address, port };
  if (!machine.secrets.some(({ hosts }) => hosts.some((host) => host.port === port))) {
    await pass(taken, decision, Buffer.alloc(0), options);
    return;
  }
  const forget = remember(taken, decision, options.machines);
  const peeked = await peek(socket);
  forget();
  const to = secretHostOf(taken, decision, peeked);
  if (socket.destroyed) return;
  if (to === null) await pass(taken, decision, peeked.bytes, options);
  else await intercept(taken, to, peeked, options);
}

/** The host that is meant, when it is one that a secret may go to. */
function secretHostOf(
  { machine, port }: Taken,
  decision: Destination,
  { opening }: Peeked,
): Destination | null {
  if (opening.kind !== "tls") return null;
  const name = opening.serverName === null ? null : readName(opening.serverName);
  const to: Destination =
    name !== null && mayReachName(machine.policy, name, port) ? { kind: "name", name } : decision;
  return machine.secrets.some((secret) => isSecretFor(secret, to, port)) ? to : null;
}

/** Joins the machine with where it may go, and sees no more than that no placeholder goes there. */
async function pass(
  taken: Taken,
  to: Destination,
  first: Buffer,
  options: TransparentOptions,
): Promise<void> {
  const { socket, machine, address, port } = taken;
  remember(taken, to, options.machines);
  const host = to.kind === "name" ? to.name : address;
  let outside: Socket;
  try {
    outside = await dial(to, port, address, options);
  } catch {
    machine.refuse({ host, port, reason: "no-answer" });
    socket.resetAndDestroy();
    return;
  }
  const watch = machine.secrets.length === 0 ? undefined : new Watch(machine.secrets);
  watch?.once("error", (error) => {
    if (!(error instanceof SecretInClearError)) return;
    machine.refuse({ host, port, reason: "secret-in-clear", secret: error.secret });
  });
  if (first.length > 0) (watch ?? outside).write(first);
  join(socket, outside, watch);
}

async function intercept(
  taken: Taken,
  to: Destination,
  { opening, bytes }: Peeked,
  options: TransparentOptions,
): Promise<void> {
  const { socket, machine, address, port } = taken;
  const { machines, interceptor } = options;
  remember(taken, to, machines);
  const now = (): MachineState => machines.get(machine.number) ?? machine;
  const host = to.kind === "name" ? to.name : to.address;
  const line: Line = {
    ...{ to, port },
    placeholders: placeholdersFor(() => now().secrets, to, port),
    refuse: (reason, secret) => {
      now().refuse({ host, port, reason, ...(secret !== undefined && { secret }) });
    },
  };
  await interceptor.intercept({
    ...{ machine: socket, opened: bytes, line },
    protocols: opening.kind === "tls" ? opening.protocols : [],
    dial: async () => await dial(to, port, address, options),
  });
}

/** The placeholders of the secrets as they are now, made anew when those have changed. */
function placeholdersFor(
  secretsNow: () => readonly SecretGrant[],
  to: Destination,
  port: number,
): () => Placeholders {
  let secrets = secretsNow();
  let placeholders = new Placeholders(secrets, to, port);
  return () => {
    if (secrets !== secretsNow()) {
      secrets = secretsNow();
      placeholders = new Placeholders(secrets, to, port);
    }
    return placeholders;
  };
}

/** Counts the connection as the machine's until it ends, or until it is forgotten. */
function remember(
  { socket, machine, port }: Taken,
  to: Destination,
  machines: Machines,
): () => void {
  const connection = { to, port, cut: () => void socket.resetAndDestroy() };
  machine.connections.add(connection);
  const forget = (): void => {
    // Under another policy the machine has another state.
    machine.connections.delete(connection);
    machines.get(machine.number)?.connections.delete(connection);
  };
  socket.once("close", forget);
  return () => {
    socket.off("close", forget);
    forget();
  };
}
