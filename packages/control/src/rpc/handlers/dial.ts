import {
  limits,
  thrown,
  type DialTarget,
  type GuestSocket,
  type SandboxParams,
} from "@skerry/protocol";

import type { IncomingStream } from "../streams/incoming-stream.ts";
import type { IncomingStreams } from "../streams/incoming.ts";
import type { Handlers } from "./handler.ts";

const over = thrown("BrokenPipe", "the connection is over", "EPIPE");

/** Connections to servers inside the machine. */
export const dialHandlers: Handlers<"dial"> = {
  async dial(params, { guest, incoming, outgoing, signal }) {
    outgoing.ensureRoom(1);
    const input = incoming.claim(params.inputStreamId);
    const until = AbortSignal.any([signal, AbortSignal.timeout(limits.dialMs)]);
    let socket: GuestSocket;
    try {
      socket = await guest.dial(targetOf(params), until);
    } catch (error) {
      incoming.release(input, over);
      throw error;
    }
    void feed(socket, input, incoming);
    return { outputStreamId: outgoing.open(socket.output, { stop: () => socket.close() }) };
  },
};

function targetOf(params: SandboxParams<"dial">): DialTarget {
  if ("path" in params) return { unix: params.path };
  return { tcp: { host: params.host ?? "127.0.0.1", port: params.port } };
}

/** Carries what the client sends until one of them ends it. Never rejects. */
async function feed(
  socket: GuestSocket,
  input: IncomingStream,
  incoming: IncomingStreams,
): Promise<void> {
  try {
    for await (const piece of input.read()) await socket.input.write(piece);
    if (input.failure === null) socket.input.end();
    else socket.close(); // the client has gone, or given it up
  } catch {
    socket.close();
  } finally {
    incoming.retire(input, over);
  }
}
