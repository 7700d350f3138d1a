import { thrown, type GuestSocket } from "@skerry/protocol";

import type { IncomingStream } from "./incoming-stream.ts";
import type { IncomingStreams } from "./incoming.ts";
import type { OutgoingStreams } from "./outgoing.ts";

/** Where the bytes of a connection inside the machine come from and go to. */
export interface SocketStreams {
  readonly incoming: IncomingStreams;
  readonly outgoing: OutgoingStreams;
  /** The client's stream. */
  readonly inputStreamId: number;
}

const over = thrown("BrokenPipe", "the connection is over", "EPIPE");

/** Joins the connection that `connect` brings with a stream of the client's and one to the client. */
export async function joinSocket<S extends GuestSocket>(
  { incoming, outgoing, inputStreamId }: SocketStreams,
  connect: () => Promise<S>,
): Promise<{ readonly outputStreamId: number; readonly socket: S }> {
  outgoing.ensureRoom(1);
  const input = incoming.claim(inputStreamId);
  let socket: S;
  try {
    socket = await connect();
  } catch (error) {
    incoming.release(input, over);
    throw error;
  }
  void feed(socket, input, incoming);
  const outputStreamId = outgoing.open(socket.output, { stop: () => socket.close() });
  return { outputStreamId, socket };
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
