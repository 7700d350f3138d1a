import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";

import { limits, SandboxError } from "@skerry/protocol";

import type { Exchange } from "./exchange.ts";
import { answerHeaders, pairsOf, valuesOf, type HeaderPair } from "./headers.ts";
import { passBack, type Forwarded } from "./proxy.ts";
import type { Upstream } from "./upstream.ts";

/** How the server in the machine took the wish for WebSocket messages. */
type Outcome =
  | { readonly kind: "agreed"; readonly answer: IncomingMessage; readonly socket: Duplex }
  | { readonly kind: "declined"; readonly answer: IncomingMessage };

/**
 * Connects a client to a server in a machine for WebSocket messages, which pass as they are.
 *
 * @returns the status of the answer, when the connection is over.
 * @throws as {@link forward}.
 */
export async function tunnel(
  exchange: Exchange,
  upstream: Upstream,
  forwarded: Forwarded,
): Promise<number> {
  const outcome = await ask(exchange, upstream, forwarded);
  if (outcome.kind === "declined") {
    try {
      return await passBack(outcome.answer, exchange);
    } finally {
      outcome.answer.socket.destroy(); // Node would leave it open, and to nobody
    }
  }
  const { answer, socket } = outcome;
  const headers = answerHeaders(pairsOf(answer.rawHeaders), exchange.host);
  const isOverHttp2 = valuesOf(exchange.headers, "sec-websocket-key").length === 0;
  let client: Duplex;
  try {
    client = exchange.accept(isOverHttp2 ? withoutAccept(headers) : headers);
  } catch (error) {
    socket.destroy();
    throw new SandboxError("BAD_ANSWER", undefined, { cause: error });
  }
  try {
    await pipeline(client, socket, client);
  } catch {
    // One of the two has gone, and the other with it: there is nobody to tell.
  }
  return 101;
}

async function ask(
  exchange: Exchange,
  upstream: Upstream,
  { path, headers }: Forwarded,
): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  const all = [...headers, ...handshake(headers)].flat();
  const request = upstream.begin({ method: "GET", path, headers: all }, false, exchange.gone);
  const timer = setTimeout(
    () => request.destroy(new SandboxError("ANSWER_TIMEOUT")),
    limits.ingressAnswerMs,
  );
  request.once("close", () => {
    clearTimeout(timer);
    reject(new SandboxError("BAD_ANSWER"));
  });
  request.once("upgrade", (answer, socket, head) => {
    clearTimeout(timer);
    if (head.length > 0) socket.unshift(head);
    socket.on("error", () => {}); // `close` follows
    resolve({ kind: "agreed", answer, socket });
  });
  request.once("response", (answer) => {
    clearTimeout(timer);
    resolve({ kind: "declined", answer });
  });
  request.on("error", (error) => {
    clearTimeout(timer); // without a connection, nothing is closed
    if (exchange.gone.aborted) reject(new SandboxError("CANCELLED", undefined, { cause: error }));
    else if (error instanceof SandboxError) reject(error);
    else reject(new SandboxError("BAD_ANSWER", undefined, { cause: error }));
  });
  request.end();
  return await promise;
}

/** The answer to a key that the client has not sent. */
function withoutAccept(headers: readonly HeaderPair[]): HeaderPair[] {
  return headers.filter(([name]) => name.toLowerCase() !== "sec-websocket-accept");
}

/** HTTP/2 has no key to prove that the server knows WebSocket, HTTP/1 needs one (RFC 8441, 5). */
function handshake(headers: readonly HeaderPair[]): HeaderPair[] {
  const upgrade: HeaderPair[] = [
    ["connection", "Upgrade"],
    ["upgrade", "websocket"],
  ];
  if (valuesOf(headers, "sec-websocket-key").length > 0) return upgrade;
  return [...upgrade, ["sec-websocket-key", randomBytes(16).toString("base64")]];
}
