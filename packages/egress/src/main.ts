import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import process from "node:process";
import { createInterface } from "node:readline";

import { EgressArguments, EgressRequest, type EgressMessage } from "@skerry/protocol";

import { Machines } from "./machines.ts";
import { serveNames } from "./names/server.ts";
import { upstreamOf } from "./names/upstream.ts";
import { refusedAddresses } from "./refused-addresses.ts";
import { Interceptor } from "./secrets/intercept.ts";
import { openAuthority } from "./tls/authority-files.ts";
import { serveConnections } from "./transparent.ts";

/**
 * Egress: what filtered machines reach goes through here, and what any machine asks the name server. It is
 * started with sockets that listen in the gateway, gives up what privileges it has, and is told over its
 * input what each machine may. It ends with the server that has started it.
 */
const { userId, connections, namesTcp, namesUdp, authority, trust, nameServers, exceptions } =
  EgressArguments.parse(JSON.parse(process.argv[2] ?? "{}"));

const machines = new Machines({
  now: () => performance.now(),
  tell: (machine, refused) => say({ machine, refused }),
});
const dialling = {
  upstream: upstreamOf(nameServers),
  isRefused: refusedAddresses(exceptions, ownAddresses),
};
const interceptor = new Interceptor(
  await openAuthority(authority),
  await Promise.all(trust.map((file) => readFile(file, "utf8"))),
);
serveConnections(connections, { ...dialling, machines, interceptor });
serveNames({ tcp: namesTcp, udp: namesUdp }, machines, dialling);
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

function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap(
    (list) => list?.map(({ address }) => address) ?? [],
  );
}

function becomeNobody(id: number): void {
  if (process.geteuid?.() !== 0) return;
  process.setgroups?.([]);
  process.setgid?.(id);
  process.setuid?.(id);
}
