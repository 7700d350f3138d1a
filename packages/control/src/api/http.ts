import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { finished } from "node:stream/promises";

import { headers, limits, SandboxError } from "@skerry/protocol";

/** An id by which a request is found in the log. */
export function makeTraceId(): string {
  return randomBytes(16).toString("hex");
}

/** What of a URL is told in logs and errors: no query, and not more than anybody wants to read. */
export function loggablePath(url: string): string {
  return (url.split("?")[0] ?? "").slice(0, 200);
}

/** The answer that says how a request failed. */
export function errorResponse(error: SandboxError): Response {
  return Response.json(error.toBody(), { status: error.status });
}

/**
 * Node's request as a web one, with its body in memory.
 *
 * @throws {SandboxError} `REQUEST_TOO_LARGE`, `INVALID_REQUEST`.
 */
export async function toRequest(message: IncomingMessage, url: URL): Promise<Request> {
  const { method = "GET" } = message;
  const body = await readBody(message);
  try {
    return new Request(url, {
      method,
      headers: webHeaders(message),
      ...(method !== "GET" && method !== "HEAD" && { body: new Uint8Array(body) }),
    });
  } catch (error) {
    throw new SandboxError("INVALID_REQUEST", "the head of the request", { cause: error });
  }
}

/** The URL that a request asks for; which host it names has no meaning. @throws {SandboxError} */
export function urlOf(message: IncomingMessage): URL {
  const path = message.url ?? "/";
  const url = path.startsWith("/") ? URL.parse(`http://localhost${path}`) : URL.parse(path);
  if (url === null) throw new SandboxError("INVALID_REQUEST", "the path");
  return url;
}

/** Sends a web response. */
export async function sendResponse(
  response: Response,
  traceId: string,
  to: ServerResponse,
): Promise<void> {
  const body = Buffer.from(await response.arrayBuffer());
  to.statusCode = response.status;
  for (const [name, value] of response.headers) to.setHeader(name, value);
  to.setHeader(headers.traceId, traceId);
  if (response.status !== 204) to.setHeader("content-length", body.length);
  if (!to.req.complete) await sendEarly(body, to);
  else to.end(body);
}

/**
 * Answers before the request has arrived whole. The rest of it is read for a while: closing a
 * connection that still has bytes to read resets it, and its peer may lose the answer.
 */
async function sendEarly(body: Buffer, to: ServerResponse): Promise<void> {
  to.setHeader("connection", "close");
  to.write(body);
  const tooLong = AbortSignal.timeout(limits.lingerMs);
  await finished(to.req.resume(), { signal: tooLong, cleanup: true }).catch(() => {});
  to.end();
}

/** Answers an upgrade with a plain response, which is how clients learn why there is no socket. */
export function refuseUpgrade(socket: Duplex, error: SandboxError, traceId: string): void {
  const body = JSON.stringify(error.toBody());
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? "Error"}`,
    "connection: close",
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    `${headers.traceId}: ${traceId}`,
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
  linger(socket);
}

/** Reads what still comes until the peer has closed too, for the reason that {@link sendEarly} has. */
function linger(socket: Duplex): void {
  const timer = setTimeout(() => socket.destroy(), limits.lingerMs);
  finished(socket.resume(), { cleanup: true })
    .catch(() => {}) // cut off by its peer
    .finally(() => {
      clearTimeout(timer);
      socket.destroy();
    });
}

async function readBody(message: IncomingMessage): Promise<Buffer> {
  if (Number(message.headers["content-length"] ?? 0) > limits.requestBodyBytesMax) {
    throw new SandboxError("REQUEST_TOO_LARGE", "the body");
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limits.requestBodyBytesMax) throw new SandboxError("REQUEST_TOO_LARGE", "the body");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}

function webHeaders(message: IncomingMessage): Headers {
  const all = new Headers();
  for (const [name, values] of Object.entries(message.headersDistinct)) {
    for (const value of values ?? []) all.append(name, value);
  }
  return all;
}
