import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createSecureServer, type Http2SecureServer } from "node:http2";
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";

import { Authority } from "@skerry/certificates";
import type { Refusal, SecretGrant } from "@skerry/protocol";

import { peek } from "../tls/peek.ts";
import { Interceptor } from "./intercept.ts";
import { Placeholders } from "./placeholders.ts";

/** An HTTP server for `api.example`, and what stands between it and clients that trust only that. */
export interface Interception extends AsyncDisposable {
  readonly origin: Http2SecureServer;
  /** What was refused. */
  readonly refused: [reason: Refusal["reason"], secret: string | undefined][];
  /** The certificate that a client must trust. */
  readonly trusted: string;
  /** Connections that the server has had. */
  readonly connections: { count: number };
  /** Where clients connect to. */
  readonly port: number;
  /** Opens a connection as a machine does, speaking one of these. */
  open(protocols?: readonly string[]): Promise<TLSSocket>;
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

const authorities = Promise.all(
  ["Origin", "Egress"].map(async (name) => await Authority.load(await Authority.create(name))),
);

/**
 * @param handler Null: the caller listens for streams of HTTP/2 itself.
 * @param serverName The name in the server's certificate.
 */
export async function intercepted(
  secrets: readonly SecretGrant[],
  handler: Handler | null,
  serverName = "api.example",
): Promise<Interception> {
  const [vouching, ours] = await authorities;
  if (vouching === undefined || ours === undefined) throw new Error("there are no authorities");
  const { certificate: cert, key } = await vouching.issue([serverName], 1);
  const connections = { count: 0 };
  const origin = createSecureServer({ cert, key, allowHTTP1: true });
  // The types of a server for both say less than it does: this handler sees both alike.
  if (handler !== null) origin.on("request", handler as never);
  origin.on("secureConnection", () => (connections.count += 1));
  origin.listen(0, "127.0.0.1");
  await once(origin, "listening");
  const { port: originPort } = origin.address() as AddressInfo;
  const interceptor = new Interceptor(ours, [vouching.certificate]);
  const refused: Interception["refused"] = [];
  const to = { kind: "name", name: "api.example" } as const;
  const sockets = new Set<Socket>();
  const between = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (machine) => {
    sockets.add(machine);
    machine.on("error", () => {});
    void (async () => {
      const { opening, bytes } = await peek(machine);
      await interceptor.intercept({
        ...{ machine, opened: bytes },
        protocols: opening.kind === "tls" ? opening.protocols : [],
        line: {
          ...{ to, port: 443 },
          placeholders: () => new Placeholders(secrets, to, 443),
          refuse: (reason, secret) => void refused.push([reason, secret]),
        },
        dial: async () => {
          const socket = connectTcp(originPort, "127.0.0.1");
          await once(socket, "connect");
          sockets.add(socket);
          return socket;
        },
      });
    })();
  });
  between.listen(0, "127.0.0.1");
  await once(between, "listening");
  const { port } = between.address() as AddressInfo;
  return {
    ...{ origin, refused, connections, port, trusted: ours.certificate },
    async open(protocols = ["http/1.1"]) {
      const socket = connect({
        ...{ port, host: "127.0.0.1", servername: "api.example", ca: ours.certificate },
        ALPNProtocols: [...protocols],
      });
      sockets.add(socket);
      await once(socket, "secureConnect");
      return socket;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      between.close();
      origin.close();
      await Promise.all([once(between, "close"), once(origin, "close")]);
    },
  };
}
