import type { ClientRequest, IncomingMessage } from "node:http";
import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";

import { limits, SandboxError } from "@skerry/protocol";

import type { Exchange } from "./exchange.ts";
import { answerHeaders, pairsOf, trailers, valuesOf, type HeaderPair } from "./headers.ts";
import type { Upstream } from "./upstream.ts";

/** A request as it goes on: where, and with which headers. */
export interface Forwarded {
  readonly path: string;
  readonly headers: readonly HeaderPair[];
}

/**
 * Passes a request on to a server in a machine, and its answer back, both at the pace of whoever reads.
 *
 * @returns the status of the answer, when all of it is sent.
 * @throws {SandboxError} when there is no answer; nothing is sent then. Anything else, when the answer
 * has begun and cannot be brought to its end.
 */
export async function forward(
  exchange: Exchange,
  upstream: Upstream,
  forwarded: Forwarded,
): Promise<number> {
  const { gone } = exchange;
  const isRepeatable = exchange.body === null && repeatable.has(exchange.method);
  let answer: IncomingMessage;
  try {
    answer = await ask(exchange, upstream, forwarded, isRepeatable);
  } catch (error) {
    if (gone.aborted) throw new SandboxError("CANCELLED", undefined, { cause: error });
    if (!(isRepeatable && isStale(error))) throw failureOf(error);
    try {
      answer = await ask(exchange, upstream, forwarded, false); // over a connection of its own
    } catch (again) {
      throw failureOf(again);
    }
  }
  return await passBack(answer, exchange);
}

/** Methods that mean the same when they are sent twice. */
const repeatable: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** A used connection that the server closed at the very time at which the request was sent. */
class StaleConnection extends Error {
  override readonly name = "StaleConnection";
}

function isStale(error: unknown): boolean {
  return error instanceof StaleConnection;
}

/** Sends a request, and resolves with the head of its answer. Its body may still be on its way then. */
async function ask(
  exchange: Exchange,
  upstream: Upstream,
  { path, headers }: Forwarded,
  isRepeatable: boolean,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const { method, gone } = exchange;
  const all = [...headers, ...framing(exchange, headers)];
  if (!isRepeatable) all.push(["connection", "close"]); // else Node would leave it open, and to nobody
  const head = { method, path, headers: all.flat() };
  let request: ClientRequest;
  try {
    request = upstream.begin(head, isRepeatable, gone);
  } catch (error) {
    // The client has sent what HTTP/2 can say and HTTP/1 cannot.
    throw new SandboxError("INVALID_REQUEST", "the head of the request", { cause: error });
  }
  const late = (): void => void request.destroy(new SandboxError("ANSWER_TIMEOUT"));
  let timer: NodeJS.Timeout | undefined;
  request.once("finish", () => (timer = setTimeout(late, limits.ingressAnswerMs)));
  request.once("close", () => {
    clearTimeout(timer);
    reject(new Error("the server wants another protocol")); // of all that can end it, Node says only this nowhere else
  });
  request.once("response", (answer) => {
    clearTimeout(timer);
    resolve(answer);
  });
  request.on("information", ({ statusCode, rawHeaders }) => {
    const links = valuesOf(pairsOf(rawHeaders), "link");
    if (statusCode === 103 && links.length > 0) unlessRefused(() => exchange.hint(links));
  });
  request.on("error", (error) => {
    const isUsed = request.reusedSocket && !(error instanceof SandboxError);
    reject(isUsed ? new StaleConnection(error.message, { cause: error }) : error);
  });
  sendBody(exchange, request);
  return await promise;
}

/** How the server is to know where the body ends. Node would choose by the method alone. */
function framing({ body, method }: Exchange, headers: readonly HeaderPair[]): HeaderPair[] {
  if (valuesOf(headers, "content-length").length > 0) return [];
  if (body !== null) return [["transfer-encoding", "chunked"]];
  return method === "POST" || method === "PUT" || method === "PATCH"
    ? [["content-length", "0"]]
    : [];
}

function sendBody(exchange: Exchange, request: ClientRequest): void {
  const { body } = exchange;
  if (body === null) {
    request.end();
    return;
  }
  const send = (): void => {
    body.pipe(request, { end: false });
    body.once("end", () => {
      const pairs = trailers(exchange.trailers());
      if (pairs.length > 0) {
        unlessRefused(() => request.addTrailers(pairs));
      }
      request.end();
    });
  };
  // The server may answer without having read all of it, and may be gone then.
  request.once("close", () => body.unpipe(request));
  if (!exchange.expectsContinue) return send();
  const begin = (): void => {
    clearTimeout(timer);
    request.off("continue", begin);
    if (exchange.isAnswered || exchange.gone.aborted || request.destroyed) return;
    unlessRefused(() => exchange.continue());
    send();
  };
  const timer = setTimeout(begin, limits.ingressContinueMs);
  request.once("continue", begin);
  for (const end of ["response", "error", "close"]) request.once(end, () => clearTimeout(timer));
}

/** Sends a server's answer on. @returns its status. @throws as {@link forward}. */
export async function passBack(answer: IncomingMessage, exchange: Exchange): Promise<number> {
  const { statusCode: status = 0, statusMessage: reason, rawHeaders } = answer;
  const isBare = exchange.method === "HEAD" || [204, 205, 304].includes(status);
  const kept = answerHeaders(pairsOf(rawHeaders), exchange.host);
  const isEmpty = status === 204 || status === 205;
  const headers = isEmpty ? withoutLength(kept, status) : kept;
  let to: Writable;
  try {
    to = exchange.answer({ status, reason, headers });
  } catch (error) {
    answer.destroy();
    throw new SandboxError("BAD_ANSWER", undefined, { cause: error });
  }
  if (isBare) {
    answer.resume();
    exchange.finish([]);
    return status;
  }
  await pipeline(answer, to, { end: false });
  if (!answer.complete) throw new Error("the answer has no end");
  exchange.finish(trailers(pairsOf(answer.rawTrailers)));
  return status;
}

/** Answers with 204 and 205 have no body, whatever they say of its length (RFC 9110, 8.6 and 15.3.6). */
function withoutLength(headers: readonly HeaderPair[], status: number): HeaderPair[] {
  const others = headers.filter(([name]) => name.toLowerCase() !== "content-length");
  return status === 204 ? others : [...others, ["content-length", "0"]];
}

/** What nobody needs is left out where it cannot be said: in the other version of HTTP, or not any more. */
function unlessRefused(say: () => void): void {
  try {
    say();
  } catch {
    // The message is whole without it.
  }
}

function failureOf(error: unknown): SandboxError {
  if (error instanceof SandboxError) return error;
  const cause = error instanceof StaleConnection ? error.cause : error;
  return new SandboxError("BAD_ANSWER", undefined, { cause });
}
