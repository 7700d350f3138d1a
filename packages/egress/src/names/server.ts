import { createSocket } from "node:dgram";
import { createServer, type Socket } from "node:net";

import { limits } from "@skerry/protocol";

import type { Dialling } from "../dial.ts";
import { machineOf } from "../machine-address.ts";
import type { Machines } from "../machines.ts";
import { answerTo } from "./answering.ts";
import { readFrames, writeFrame } from "./frames.ts";

/** Answers what machines ask for, on sockets that are open already. */
export function serveNames(
  fds: { readonly udp: number; readonly tcp: number },
  machines: Machines,
  sources: Dialling,
): void {
  const socket = createSocket("udp4");
  socket.on("error", () => {}); // of one datagram that could not be sent
  socket.on("message", (message, { address, port }) => {
    const machine = machines.get(machineOf(address));
    if (machine === undefined) return;
    void answerTo(message, "udp", machine, sources).then((answer) => {
      if (answer !== null) socket.send(answer, port, address);
    });
  });
  socket.bind({ fd: fds.udp });
  const server = createServer((connection) => void serveConnection(connection, machines, sources));
  server.maxConnections = limits.egressConnectionsMax;
  server.listen({ fd: fds.tcp });
}

/** Never rejects: a connection that breaks is over. */
async function serveConnection(
  connection: Socket,
  machines: Machines,
  sources: Dialling,
): Promise<void> {
  const machine = machines.get(machineOf(connection.remoteAddress));
  connection.setTimeout(limits.nameAnswerMs, () => connection.destroy());
  connection.on("error", () => {}); // `close` follows
  if (machine === undefined) {
    connection.destroy();
    return;
  }
  try {
    for await (const message of readFrames(connection)) {
      const answer = await answerTo(message, "tcp", machine, sources);
      if (answer === null) break;
      connection.write(writeFrame(answer));
    }
  } catch {
    // The machine has closed it, or did not go on in time.
  }
  connection.destroy();
}
