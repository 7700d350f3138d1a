import type { ListenTarget, SandboxParams } from "@skerry/protocol";

import { joinSocket } from "../streams/join-socket.ts";
import type { Handlers } from "./handler.ts";

/** Connections that programs inside the machine make to the client. */
export const listenHandlers: Handlers<"listen" | "accept" | "closeListener"> = {
  async listen(params, { guest, listeners, signal }) {
    return await listeners.add(() => guest.listen(targetOf(params), signal));
  },
  async accept({ listenerId, inputStreamId }, { incoming, outgoing, listeners, signal }) {
    const listener = listeners.get(listenerId);
    const streams = { incoming, outgoing, inputStreamId };
    const joined = await joinSocket(streams, () => listener.accept(signal));
    const { address, port } = joined.socket;
    return { outputStreamId: joined.outputStreamId, address, port };
  },
  async closeListener({ listenerId }, { listeners }) {
    listeners.close(listenerId);
    return null;
  },
};

function targetOf(params: SandboxParams<"listen">): ListenTarget {
  if ("path" in params) return { unix: params.path };
  return { tcp: { host: params.host ?? "localhost", port: params.port } };
}
