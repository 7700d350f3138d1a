import { once } from "node:events";
import { connect } from "node:net";

import { GuestError, type GuestSocket } from "@skerry/protocol";

/** A connection to a port of this host, as a guest gives connections inside its machine. */
export async function dialLocally(port: number): Promise<GuestSocket> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  try {
    await once(socket, "connect");
  } catch (cause) {
    throw new GuestError({ errno: "ECONNREFUSED", message: "Connection refused" }, { cause });
  }
  socket.on("error", () => {}); // those who read and write hear of it
  return {
    output: socket as AsyncIterable<Uint8Array>,
    input: {
      async write(bytes) {
        if (socket.destroyed) throw new Error("the connection is closed");
        if (!socket.write(bytes))
          await Promise.race([once(socket, "drain"), once(socket, "close")]);
      },
      end: () => void socket.end(),
    },
    close: () => void socket.destroy(),
  };
}
