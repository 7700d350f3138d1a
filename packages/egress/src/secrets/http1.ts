import {
  Agent,
  createServer,
  request,
  ServerResponse,
  type ClientRequest,
  type IncomingMessage,
  type Server,
} from "node:http";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { TLSSocket } from "node:tls";

import { limits } from "@skerry/protocol";

import { admit, bodyOf, refusedFor, type Admitted, type Line, type Refused } from "./admit.ts";
import { fillBody, isBodyFilled } from "./body.ts";
import { endToEnd, pairsOf, valuesOf } from "./http-headers.ts";
import { Mask, maskText } from "./mask.ts";

/** A line that speaks HTTP/1.1. */
export interface Http1Line extends Line {
  /** The connection to the server that is open already. */
  readonly upstream: TLSSocket;
  /** Opens another, when the server has closed that one between two requests. */
  readonly redial: () => Promise<TLSSocket>;
}

/** A connection of a machine, and the way to the server. */
interface Exchange {
  readonly line: Http1Line;
  readonly agent: Agent;
}

const exchanges = new WeakMap<Duplex, Exchange>();
let server: Server | undefined;

/** Serves the requests that come over a machine's connection, each with the answer of the server. */
export function serveHttp1(machine: TLSSocket, line: Http1Line): void {
  const agent = new LineAgent(line);
  exchanges.set(machine, { line, agent });
  machine.once("close", () => {
    agent.destroy();
    line.upstream.destroy();
  });
  server ??= openServer();
  server.emit("connection", machine);
}

function openServer(): Server {
  const made = createServer({
    maxHeaderSize: limits.egressHeadBytesMax,
    headersTimeout: limits.egressHeadMs,
    keepAliveTimeout: limits.egressIdleMs,
    requestTimeout: 0, // what is large may take its time; silence ends it
    connectionsCheckingInterval: limits.egressHeadMs / 4,
  });
  made.on("request", (message, response) => void exchange(message, response));
  made.on("checkContinue", (message, response) => void exchange(message, response));
  made.on("checkExpectation", (message, response) => void exchange(message, response));
  made.on("upgrade", upgrade);
  made.on("connect", (_message, socket) => socket.destroy()); // nobody proxies through here
  made.on("clientError", (_error, socket) => {
    exchanges.get(socket)?.line.refuse("no-http");
    socket.destroy();
  });
  made.emit("listening"); // it never listens itself, and looks after its deadlines only when it thinks so
  return made;
}

/** Over the line's own connection, and over another when that has ended. */
class LineAgent extends Agent {
  readonly #line: Http1Line;
  #isUsed = false;

  constructor(line: Http1Line) {
    super({ keepAlive: true, maxSockets: 1 });
    this.#line = line;
  }

  override createConnection(
    _options: unknown,
    done: (error: Error | null, socket: Duplex) => void,
  ): Duplex | undefined {
    const { upstream } = this.#line;
    if (!this.#isUsed && !upstream.destroyed) {
      this.#isUsed = true;
      return upstream;
    }
    void this.#redial(done);
    return undefined;
  }

  async #redial(done: (error: Error | null, socket: Duplex) => void): Promise<void> {
    const { upstream, redial } = this.#line;
    try {
      done(null, await redial());
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)), upstream);
    }
  }
}

/** Never rejects. What fails before the server has answered ends the connection, as the server's end would. */
async function exchange(message: IncomingMessage, response: ServerResponse): Promise<void> {
  const context = exchanges.get(message.socket);
  if (context === undefined) return void message.destroy();
  const { line } = context;
  const admitted = admitMessage(message, line);
  if (admitted.kind === "refused") return refuse(response, admitted);
  let body: Buffer | null;
  try {
    body = await filledBody(message, response, admitted);
  } catch (error) {
    if (message.destroyed) return; // it went away before its body was whole
    return refuse(response, refusedFor(error, line));
  }
  const upstream = send(message, admitted, context, body);
  response.once("close", () => upstream.destroy()); // there is nobody left to answer
  upstream.on("continue", () => response.writeContinue());
  upstream.on("error", () => {
    if (!response.headersSent) message.socket.destroy();
  });
  upstream.once("response", (answer) => void answerWith(answer, message, response, line));
  if (body !== null) {
    upstream.end(body);
    return;
  }
  // The server may have something to say before there is a body.
  if (!message.complete) upstream.flushHeaders();
  try {
    await pipeline(message, upstream, { end: false });
    for (const [name, value] of pairsOf(message.rawTrailers)) upstream.addTrailers([[name, value]]);
    upstream.end();
  } catch {
    upstream.destroy(); // one of them has ended; the other hears of it
  }
}

function admitMessage(message: IncomingMessage, line: Line): Admitted | Refused {
  const { url: path = "", rawHeaders: headers } = message;
  if (!path.startsWith("/") && path !== "*") {
    line.refuse("other-host");
    return { kind: "refused", status: 400, code: "OTHER_HOST", message: "This is no proxy." };
  }
  return admit({ path, headers }, valuesOf(headers, "host"), line);
}

/** The whole body with secrets in it; null when it goes on as it comes. @throws {SecretElsewhereError} */
async function filledBody(
  message: IncomingMessage,
  response: ServerResponse,
  { placeholders }: Admitted,
): Promise<Buffer | null> {
  const { "content-type": type, "content-encoding": encoding } = message.headers;
  const length = message.headers["content-length"];
  if (!isBodyFilled({ encoding, length }, placeholders)) return null;
  if (message.headers.expect !== undefined) response.writeContinue(); // it is for us to read it first
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return fillBody(Buffer.concat(chunks), type, placeholders);
}

function send(
  message: IncomingMessage,
  { head }: Admitted,
  { agent }: Exchange,
  body: Buffer | null,
): ClientRequest {
  const { method = "GET", headers: given } = message;
  const isUpgrade = given.upgrade !== undefined && given.connection !== undefined;
  const headers = endToEnd(head.headers, (name) => {
    if (name === "upgrade") return !isUpgrade;
    // In what is compressed no secret could be found.
    if (name === "accept-encoding") return head.isChanged;
    return body !== null && (name === "content-length" || name === "expect");
  });
  if (isUpgrade) headers.push("Connection", "Upgrade");
  if (head.isChanged) headers.push("Accept-Encoding", "identity");
  const hasBody = given["content-length"] ?? given["transfer-encoding"];
  if (body !== null) headers.push("Content-Length", String(body.length));
  // Without a word about it, Node would announce a body in chunks.
  else if (hasBody === undefined && !isUpgrade) headers.push("Content-Length", "0");
  const upstream = request({ agent, method, path: head.path, headers, setHost: false });
  upstream.setNoDelay(true);
  return upstream;
}

/** Never rejects: an answer that breaks off breaks off for the machine too. */
async function answerWith(
  answer: IncomingMessage,
  message: IncomingMessage,
  response: ServerResponse,
  line: Line,
): Promise<void> {
  const needles = line.placeholders().needles;
  const headers = answerHeaders(answer, needles);
  if (!message.complete) headers.push("Connection", "close"); // the rest of it is not wanted
  response.sendDate = false;
  response.writeHead(answer.statusCode ?? 502, maskText(answer.statusMessage ?? "", needles), [
    ...headers,
  ]);
  try {
    await pipeline(answer, new Mask(needles), response, { end: false });
    for (const [name, value] of pairsOf(answer.rawTrailers)) {
      response.addTrailers([[name, maskText(value, needles)]]);
    }
    response.end();
  } catch {
    response.destroy();
  }
}

function answerHeaders(answer: IncomingMessage, needles: readonly Buffer[]): string[] {
  const headers = endToEnd(answer.rawHeaders);
  return headers.map((text, index) => (index % 2 === 0 ? text : maskText(text, needles)));
}

/** Lets the machine and the server speak another protocol, when the server agrees. */
function upgrade(message: IncomingMessage, machine: Duplex, first: Buffer): void {
  const context = exchanges.get(machine);
  if (context === undefined) return void machine.destroy();
  const { line } = context;
  const response = new ServerResponse(message);
  response.shouldKeepAlive = false;
  response.assignSocket(machine as TLSSocket);
  response.once("finish", () => machine.end());
  const admitted = admitMessage(message, line);
  if (admitted.kind === "refused") return refuse(response, admitted);
  const upstream = send(message, admitted, context, null);
  machine.once("close", () => upstream.destroy());
  upstream.on("error", () => machine.destroy());
  upstream.once("response", (answer) => void answerWith(answer, message, response, line));
  upstream.once("upgrade", (answer, server, next) => {
    response.detachSocket(machine as TLSSocket);
    const needles = line.placeholders().needles;
    const lines = pairsOf(answerHeaders(answer, needles)).map(
      ([name, value]) => `${name}: ${value}`,
    );
    const status = `HTTP/1.1 101 ${maskText(answer.statusMessage ?? "", needles)}`;
    machine.write(`${[status, "Connection: Upgrade", ...lines].join("\r\n")}\r\n\r\n`, "latin1");
    if (first.length > 0) server.write(first);
    if (next.length > 0) server.unshift(next);
    void both(machine, server, new Mask(needles));
  });
  upstream.end();
}

async function both(machine: Duplex, server: Duplex, mask: Mask): Promise<void> {
  for (const end of [machine, server]) end.setMaxListeners(32); // each is in two pipelines
  const ends = [pipeline(machine, server), pipeline(server, mask, machine)];
  try {
    await Promise.all(ends);
  } catch {
    machine.destroy();
    server.destroy();
  }
}

function refuse(response: ServerResponse, refused: Refused): void {
  const body = bodyOf(refused);
  response.writeHead(refused.status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    connection: "close", // what else is in the request is not read
  });
  response.end(body);
}
