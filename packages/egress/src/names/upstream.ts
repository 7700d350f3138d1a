import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { connect, isIPv6 } from "node:net";

import { limits } from "@skerry/protocol";

import { readFrames, writeFrame } from "./frames.ts";
import type { AddressAnswer } from "./message.ts";

/** Where names are asked for. */
export interface Upstream {
  /** IPv4 addresses of a name; none when it has none. @throws when there is no answer. */
  addresses(name: string): Promise<readonly AddressAnswer[]>;
  /** The answer to a message as it is. @throws when there is none in time. */
  exchange(message: Buffer, transport: "udp" | "tcp"): Promise<Buffer>;
}

/** There is no such name. */
export class NoSuchName extends Error {
  override readonly name = "NoSuchName";
}

/** Asks name servers: the given ones, or those of this host. */
export function upstreamOf(nameServers: readonly string[]): Upstream {
  const resolver = new Resolver({ timeout: limits.nameAnswerMs / 2, tries: 2 });
  if (nameServers.length > 0) resolver.setServers(nameServers);
  return {
    async addresses(name) {
      try {
        return await resolver.resolve4(name, { ttl: true });
      } catch (error) {
        const code = error instanceof Error && "code" in error ? error.code : undefined;
        if (code === "ENODATA") return [];
        if (code === "ENOTFOUND") throw new NoSuchName(name);
        throw error;
      }
    },
    exchange: (message, transport) => {
      const server = serverOf(resolver.getServers());
      return transport === "udp" ? askByUdp(message, server) : askByTcp(message, server);
    },
  };
}

interface Server {
  readonly address: string;
  readonly port: number;
}

/** The first of `["192.0.2.1", "[2001:db8::1]:5353"]`. */
function serverOf([first = "127.0.0.1"]: readonly string[]): Server {
  const [, bracketed, port] = /^\[(.+)\]:(\d+)$/.exec(first) ?? [];
  if (bracketed !== undefined) return { address: bracketed, port: Number(port) };
  const [address = first, own] = isIPv6(first) ? [first] : first.split(":");
  return { address, port: Number(own ?? 53) };
}

/** From a port and with an id of its own, so that an answer can hardly be forged. */
async function askByUdp(message: Buffer, { address, port }: Server): Promise<Buffer> {
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const late = setTimeout(() => reject(new Error("no answer in time")), limits.nameAnswerMs);
  const own = withId(message, randomInt(65_536));
  socket.once("error", reject);
  socket.on("message", (answer) => {
    if (answer.length >= 12 && answer.readUInt16BE(0) === own.readUInt16BE(0)) resolve(answer);
  });
  try {
    socket.connect(port, address, () => socket.send(own));
    return withId(await promise, message.readUInt16BE(0));
  } finally {
    clearTimeout(late);
    socket.close();
  }
}

async function askByTcp(message: Buffer, { address, port }: Server): Promise<Buffer> {
  const socket = connect({ host: address, port, signal: AbortSignal.timeout(limits.nameAnswerMs) });
  try {
    socket.write(writeFrame(message));
    for await (const answer of readFrames(socket)) return answer;
    throw new Error("the name server closed the connection");
  } finally {
    socket.destroy();
  }
}

function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(id, 0);
  return copy;
}
