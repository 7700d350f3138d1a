import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import process from "node:process";
import { createInterface } from "node:readline";

import {
  EgressArguments,
  EgressRequest,
  isRefusedAddress,
  type EgressMessage,
} from "@skerry/protocol";

import { Machines } from "./machines.ts";
import { serveNames } from "./names/server.ts";
import { upstreamOf } from "./names/upstream.ts";
import { Interceptor } from "./secrets/intercept.ts";
import { openAuthority } from "./tls/authority-files.ts";
import { serveConnections } from "./transparent.ts";

/**
 * Egress: what filtered machines reach goes through here, and what any machine asks the name server. It is
 * started with sockets that listen in the gateway, gives up what privileges it has, and is told over its
 * input what each machine may. It ends with the server that has started it.
 */
const { userId, connections, namesTcp, namesUdp, authority, trust, nameServers } =
  EgressArguments.parse(JSON.parse(process.argv[2] ?? "{}"));

const machines = new Machines({
  now: () => performance.now(),
  tell: (machine, refused) => say({ machine, refused }),
});
const upstream = upstreamOf(nameServers);
const interceptor = new Interceptor(
  await openAuthority(authority),
  await Promise.all(trust.map((file) => readFile(file, "utf8"))),
);
serveConnections(connections, { machines, upstream, isRefused, interceptor });
serveNames({ tcp: namesTcp, udp: namesUdp }, machines, upstream);
becomeNobody(userId);

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { id, machine, grant } = EgressRequest.parse(JSON.parse(line));
    machines.set(machine, grant);
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
