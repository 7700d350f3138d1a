import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { decodeBinary, encodeStreamData, subprotocols } from "@skerry/protocol";
import { WebSocketServer, type WebSocket } from "ws";

/** What a call is answered with: `{ok}`, `{error}`, or what a broken server would send. */
type Answer = object | Promise<object>;
export type Handlers = Readonly<
  Record<string, (params: Record<string, unknown>, client: FakeClient) => Answer>
>;

export const testId = "sbx_ord_0123456789abcdefghjk";
export const ok = (value: unknown = null): object => ({ ok: value });

/** A message of the client under test, with its method and parameters. */
export interface Received {
  readonly id?: number;
  readonly method: string;
  readonly params: Record<string, unknown>;
}

interface Wait {
  readonly method: string;
  readonly resolve: (found: Received) => void;
}

/** The server's end of one connection. */
export class FakeClient {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  readonly received: Received[] = [];
  pings = 0;
  #waiting: Wait[] = [];

  constructor(socket: WebSocket, request: IncomingMessage) {
    this.socket = socket;
    this.request = request;
  }

  /** @internal */
  take(message: Received): void {
    this.received.push(message);
    const isMet = (wait: Wait): boolean => wait.method === message.method;
    const found = this.#waiting.filter(isMet);
    this.#waiting = this.#waiting.filter((wait) => !isMet(wait));
    for (const one of found) one.resolve(message);
  }

  /** The next message with this method that has not come yet. */
  next(method: string): Promise<Received> {
    const { promise, resolve } = Promise.withResolvers<Received>();
    this.#waiting.push({ method, resolve });
    return promise;
  }

  notify(method: string, params: object): void {
    this.socket.send(JSON.stringify({ jsonrpc: "2.0", method, params }));
  }

  /** Sends bytes on a stream. */
  enqueue(streamId: number, bytes: Uint8Array | string): void {
    if (this.socket.protocol === subprotocols.binary) {
      this.socket.send(encodeStreamData(streamId, Buffer.from(bytes)));
      return;
    }
    const data = Buffer.from(bytes).toString("base64");
    this.notify("$sandbox.stream.enqueue", { streamId, data });
  }
}

/** A server in this process that speaks the wire, for tests of the client. */
export class FakeServer implements AsyncDisposable {
  readonly clients: FakeClient[] = [];
  /** The requests that were no handshakes: method, path and body. */
  readonly requests: { readonly line: string; readonly body: string }[] = [];
  /** Answers a handshake with this instead of accepting it. */
  refusal: { readonly status: number; readonly body: string } | undefined;
  /** Answers the other requests. */
  respond: (line: string, body: string) => { readonly status: number; readonly body: string } =
    () => ({ status: 404, body: '{"code":"NOT_FOUND","message":"Nothing."}' });
  handlers: Handlers = {};
  /** Whether `skerry.v1` is agreed to. */
  isBinary = false;
  /** Whether pings are answered. */
  isAlive = true;
  readonly #http: Server;
  readonly #sockets = new WebSocketServer({
    ...{ noServer: true, perMessageDeflate: false },
    handleProtocols: (offered) => {
      const chosen = this.isBinary ? subprotocols.binary : subprotocols.json;
      return offered.has(chosen) ? chosen : false;
    },
  });
  #nextClient = Promise.withResolvers<FakeClient>();

  private constructor() {
    this.#http = createServer((request, response) => {
      void bodyOf(request).then((body) => {
        const line = `${request.method} ${request.url}`;
        this.requests.push({ line, body });
        const answer = this.respond(line, body);
        response.writeHead(answer.status, { "x-deno-trace-id": "trace-1" }).end(answer.body);
      });
    });
    this.#http.on("upgrade", (request, socket, head) => {
      if (this.refusal !== undefined) {
        const { status, body } = this.refusal;
        const length = `content-length: ${Buffer.byteLength(body)}`;
        socket.end(`HTTP/1.1 ${status} No\r\nx-deno-trace-id: trace-1\r\n${length}\r\n\r\n${body}`);
        return;
      }
      this.#sockets.once("headers", (lines) => lines.push(`x-deno-sandbox-id: ${testId}`));
      this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#accept(ws, request));
    });
  }

  static async listen(handlers: Handlers = {}): Promise<FakeServer> {
    const server = new FakeServer();
    server.handlers = handlers;
    const { promise, resolve } = Promise.withResolvers<void>();
    server.#http.listen(0, "127.0.0.1", resolve);
    await promise;
    return server;
  }

  get options(): { readonly endpoint: string; readonly token: string } {
    const { port } = this.#http.address() as AddressInfo; // it listens on TCP
    return { endpoint: `http://127.0.0.1:${port}`, token: "ddo_test" };
  }

  /** The next client that connects. */
  nextClient(): Promise<FakeClient> {
    return this.#nextClient.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.clients) socket.terminate();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#http.close(() => resolve());
    this.#http.closeAllConnections();
    await promise;
  }

  #accept(socket: WebSocket, request: IncomingMessage): void {
    const client = new FakeClient(socket, request);
    this.clients.push(client);
    socket.on("message", (data, isBinary) => {
      if (isBinary) client.take(creditOf(data as Buffer<ArrayBuffer>));
      else void this.#message(client, (data as Buffer).toString());
    });
    socket.on("error", () => {}); // a client that vanishes is part of some tests
    this.#nextClient.resolve(client);
    this.#nextClient = Promise.withResolvers();
  }

  async #message(client: FakeClient, text: string): Promise<void> {
    if (text === "ping") {
      client.pings += 1;
      if (this.isAlive) client.socket.send("pong");
      return;
    }
    const message = JSON.parse(text) as Received; // the test looks at what is in it
    client.take(message);
    const handler = this.handlers[message.method];
    if (message.id !== undefined && handler !== undefined) {
      const result = await handler(message.params, client);
      client.socket.send(JSON.stringify({ jsonrpc: "2.0", id: message.id, result }));
    }
  }
}

/** The binary messages of a client that sends no stream. */
function creditOf(data: Buffer<ArrayBuffer>): Received {
  const message = decodeBinary(data);
  const credit = message.kind === "credit" ? message.credit : 0;
  return { method: "credit", params: { streamId: message.streamId, credit } };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
}
