import type { Socket } from "node:net";

import { limits } from "@skerry/protocol";

import { readOpening, type Opening } from "./client-hello.ts";

/** How a connection opens, and the bytes that have been taken off it to know. */
export interface Peeked {
  readonly opening: Opening;
  readonly bytes: Buffer;
}

/**
 * Reads as much of a connection as tells how it opens, and pauses it. Who says nothing for a while, or waits
 * for the other side to speak, counts as something else than TLS.
 */
export async function peek(socket: Socket): Promise<Peeked> {
  const { promise, resolve } = Promise.withResolvers<Opening>();
  let bytes: Buffer = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    const opening = readOpening(bytes);
    if (opening.kind === "incomplete" && bytes.length <= limits.egressHelloBytesMax) return;
    socket.pause();
    resolve(opening);
  };
  const giveUp = (): void => resolve({ kind: "other" });
  const late = setTimeout(giveUp, limits.egressHelloMs);
  socket.on("data", onData).once("end", giveUp).once("close", giveUp);
  socket.resume();
  try {
    return { opening: await promise, bytes };
  } finally {
    clearTimeout(late);
    socket.off("data", onData).off("end", giveUp).off("close", giveUp);
    socket.pause();
  }
}
