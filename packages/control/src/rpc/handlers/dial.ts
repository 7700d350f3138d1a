import { limits, type DialTarget, type SandboxParams } from "@skerry/protocol";

import { joinSocket } from "../streams/join-socket.ts";
import type { Handlers } from "./handler.ts";

/** Connections to servers inside the machine. */
export const dialHandlers: Handlers<"dial"> = {
  async dial(params, { guest, incoming, outgoing, signal }) {
    const until = AbortSignal.any([signal, AbortSignal.timeout(limits.dialMs)]);
    const streams = { incoming, outgoing, inputStreamId: params.inputStreamId };
    const { outputStreamId } = await joinSocket(streams, () => guest.dial(targetOf(params), until));
    return { outputStreamId };
  },
};

function targetOf(params: SandboxParams<"dial">): DialTarget {
  if ("path" in params) return { unix: params.path };
  return { tcp: { host: params.host ?? "127.0.0.1", port: params.port } };
}
