import type { AcceptedConnection, SandboxListener } from "@skerry/sdk";

import { joinConnection } from "./bridge.ts";
import { openChannel, type OpenChannel, type TakeChannel } from "./channels.ts";

/** How the client is asked for a channel for one connection. */
export type Opener = (made: AcceptedConnection) => OpenChannel;

/** Gives each connection in the sandbox a channel to the client, until nothing more comes. Never rejects. */
export async function leadOutward(
  listener: SandboxListener,
  takeChannel: TakeChannel,
  opener: Opener,
): Promise<void> {
  try {
    for await (const made of listener) void join(made, takeChannel, opener(made));
  } catch {
    // It was closed, or the sandbox has gone.
  }
}

/** Never rejects. */
async function join(
  made: AcceptedConnection,
  takeChannel: TakeChannel,
  open: OpenChannel,
): Promise<void> {
  using place = takeChannel();
  try {
    if (place === null) throw new RangeError("too many channels");
    await joinConnection(await openChannel(open), made);
  } catch (error) {
    // The client would not have it: whoever connected is told by the end of the connection.
    await Promise.allSettled([made.readable.cancel(error), made.writable.abort(error)]);
  }
}
