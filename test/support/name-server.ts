import { createSocket } from "node:dgram";
import { once } from "node:events";

import { decode, encode } from "dns-packet";

/** A name server of a test: what it knows may change, and what it was asked is kept. */
export interface NameServer extends AsyncDisposable {
  /** `127.0.0.1:5301` */
  readonly address: string;
  /** Addresses by name; a function is asked each time. */
  readonly names: Map<string, readonly string[] | (() => readonly string[])>;
  /** TXT records by name. */
  readonly texts: Map<string, readonly string[]>;
  readonly asked: string[];
}

export async function startNameServer(): Promise<NameServer> {
  const names: NameServer["names"] = new Map();
  const texts: NameServer["texts"] = new Map();
  const asked: string[] = [];
  const socket = createSocket("udp4");
  socket.on("message", (message, { address, port }) => {
    const packet = decode(message);
    const [question] = packet.questions ?? [];
    const name = question?.name.toLowerCase() ?? "";
    asked.push(name);
    const known = names.get(name);
    const addresses = question?.type !== "A" ? [] : typeof known === "function" ? known() : known;
    const words = question?.type === "TXT" ? texts.get(name) : undefined;
    socket.send(
      encode({
        ...{ id: packet.id, type: "response", questions: packet.questions ?? [] },
        flags: 0x180 | (known === undefined && words === undefined ? 3 : 0),
        answers: [
          ...(addresses ?? []).map((data) => ({ type: "A" as const, name, ttl: 0, data })),
          ...(words ?? []).map((data) => ({ type: "TXT" as const, name, ttl: 0, data })),
        ],
      }),
      ...[port, address],
    );
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    ...{ names, texts, asked, address: `127.0.0.1:${socket.address().port}` },
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}
