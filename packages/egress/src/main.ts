import { networkInterfaces } from "node:os";
import process from "node:process";
import { createInterface } from "node:readline";

import { EgressRequest, isRefusedAddress, type EgressMessage } from "@skerry/protocol";

import { Machines } from "./machines.ts";
import { serveNames } from "./names/server.ts";
import { upstreamOf } from "./names/upstream.ts";
import { serveConnections } from "./transparent.ts";

/**
 * Egress: what filtered machines reach goes through here, and what any machine asks the name server. It is
 * started with sockets that listen in the gateway, gives up what privileges it has, and is told over its
 * input what each machine may. It ends with the server that has started it.
 */
const [userId = "", connections = "", namesTcp = "", namesUdp = "", ...nameServers] =
  process.argv.slice(2);

const machines = new Machines({
  now: () => performance.now(),
  tell: (machine, refused) => say({ machine, refused }),
});
const upstream = upstreamOf(nameServers);
serveConnections(Number(connections), { machines, upstream, isRefused });
serveNames({ tcp: Number(namesTcp), udp: Number(namesUdp) }, machines, upstream);
becomeNobody(Number(userId));

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { id, machine, policy } = EgressRequest.parse(JSON.parse(line));
    machines.set(machine, policy);
    say({ done: id });
  })
  .on("close", () => process.exit(0));

function say(message: EgressMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** This host's own addresses count as well: it may have one that the internet knows. */
function isRefused(address: string): boolean {
  if (isRefusedAddress(address)) return true;
  return Object.values(networkInterfaces()).some((list) =>
    list?.some((own) => own.address === address),
  );
}

function becomeNobody(id: number): void {
  if (process.geteuid?.() !== 0) return;
  process.setgroups?.([]);
  process.setgid?.(id);
  process.setuid?.(id);
}
