import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import {
  createServer,
  type OutgoingHttpHeaders,
  type RequestListener,
  type Server,
} from "node:http";
import type { IncomingMessage } from "node:http";
import { request as requestTls, type RequestOptions } from "node:https";
import {
  createServer as createTcp,
  type AddressInfo,
  type Server as TcpServer,
  type Socket,
} from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";

import type { IngressEndpoint } from "@skerry/protocol";

import type { IngressOptions } from "../ingress/ingress.ts";
import { startControl, type Fixture } from "./control-fixture.ts";
import { dialLocally } from "./local-socket.ts";
import type { RpcClient } from "./rpc-client.ts";

/** An answer with its body. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly rawHeaders: readonly string[];
  readonly trailers: IncomingMessage["trailers"];
  readonly body: string;
}

/** A control plane with a way in, and one sandbox whose ports are servers of this process. */
export interface IngressFixture extends AsyncDisposable {
  readonly fixture: Fixture;
  readonly endpoint: IngressEndpoint;
  readonly client: RpcClient;
  readonly ca: string;
  readonly port: number;
  /** Starts a server in the sandbox, and gives it a name. @returns what follows `https://`. */
  serve(listener: RequestListener | Server): Promise<string>;
  /** The same for a server that speaks by hand. */
  serveRaw(onConnection: (socket: Socket) => void): Promise<string>;
  /** Gives a port of the sandbox a name. */
  expose(port: number, body?: object): Promise<{ readonly domain: string; readonly url: string }>;
  /** The port of the sandbox that a name leads to. */
  portOf(domain: string): number;
  /** Sends a request to a name. */
  ask(
    domain: string,
    path?: string,
    options?: RequestOptions & { readonly body?: string },
  ): Promise<Answer>;
  /** A connection with TLS to the way in, as a client of `domain` makes it. */
  connect(domain: string, protocols?: readonly string[]): Promise<TLSSocket>;
}

/** Starts one; disposing of it ends everything. */
export async function startIngress(options: Partial<IngressOptions> = {}): Promise<IngressFixture> {
  await using stack = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), "skerry-ingress-"));
  stack.defer(() => rmSync(directory, { recursive: true }));
  const ingress: IngressOptions = {
    ...{ directory, baseDomain: "skerry.localhost", publicPort: null, certificateFiles: null },
    ...options,
  };
  const fixture = stack.use(await startControl({ ingress }));
  const endpoint = await fixture.control.listenHttps("127.0.0.1", 0);
  const port = Number(new URL(endpoint.url).port);
  const client = await fixture.create();
  fixture.host.machine.guest.onDial = async (target) =>
    await dialLocally("tcp" in target && target.tcp.host === "127.0.0.1" ? target.tcp.port : 0);
  const ca = readFileSync(join(directory, "ca.pem"), "utf8");
  const held = stack.move();
  const listen = async (server: Server | TcpServer): Promise<number> => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    held.defer(() => {
      if ("closeAllConnections" in server) server.closeAllConnections();
      server.close();
    });
    return (server.address() as AddressInfo).port; // of a TCP server that listens
  };
  const ports = new Map<string, number>();
  const expose: IngressFixture["expose"] = async (to, body = {}) => {
    const path = `/api/v3/sandbox/${client.sandboxId}/expose/http`;
    const response = await fixture.fetch(path, { method: "POST", body: JSON.stringify(body) });
    const answer = (await response.json()) as { domain: string; url: string };
    await client.call("exposeHttp", { domain: answer.domain, port: to });
    ports.set(answer.domain, to);
    return answer;
  };
  return {
    ...{ fixture, endpoint, client, ca, port, expose },
    portOf: (domain) => ports.get(domain) ?? 0,
    serve: async (listener) => {
      const server = typeof listener === "function" ? createServer(listener) : listener;
      return (await expose(await listen(server))).domain;
    },
    serveRaw: async (onConnection) => {
      const server = createTcp((socket) => {
        socket.on("error", () => {}); // `close` follows
        onConnection(socket);
      });
      return (await expose(await listen(server))).domain;
    },
    ask: (domain, path = "/", { body, ...more } = {}) =>
      send(
        { ...{ host: "127.0.0.1", port, ca, path, agent: false }, ...withHost(domain, more) },
        body,
      ),
    async connect(domain, protocols = ["http/1.1"]) {
      const servername = domain.split(":")[0] ?? "";
      const socket = connectTls({
        host: "127.0.0.1",
        port,
        ca,
        servername,
        ALPNProtocols: [...protocols],
      });
      await once(socket, "secureConnect");
      held.defer(() => void socket.destroy());
      return socket;
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function withHost(domain: string, options: RequestOptions): RequestOptions {
  const servername = domain.split(":")[0] ?? "";
  return {
    servername,
    ...options,
    headers: { host: domain, ...(options.headers as OutgoingHttpHeaders | undefined) },
  };
}

async function send(options: RequestOptions, body: string | undefined): Promise<Answer> {
  const sent = requestTls(options);
  sent.end(body);
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  const { statusCode: status = 0, headers, rawHeaders, trailers } = answer;
  return { status, headers, rawHeaders, trailers, body: Buffer.concat(chunks).toString() };
}
