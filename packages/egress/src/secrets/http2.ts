import {
  connect,
  constants,
  performServerHandshake,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { TLSSocket } from "node:tls";

import { limits } from "@skerry/protocol";

import { admit, bodyOf, refusedFor, type Admitted, type Line, type Refused } from "./admit.ts";
import { fillBody, isBodyFilled } from "./body.ts";
import { pairsOf } from "./http-headers.ts";
import { Mask, maskText } from "./mask.ts";

/** Headers that no HTTP/2 message may have (RFC 9113, 8.2.2), and the one that names HTTP/3. */
const notPassedOn: ReadonlySet<string> = new Set([
  ...["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "alt-svc"],
]);

/** Serves the requests that come over a machine's connection, each with the answer of the server. */
export function serveHttp2(machine: TLSSocket, server: TLSSocket, line: Line): void {
  const upstream = connect("https://upstream", {
    createConnection: () => server,
    settings: { enablePush: false },
    maxHeaderListPairs: 256,
  });
  const session = performServerHandshake(machine, {
    settings: {
      maxConcurrentStreams: limits.egressStreamsMax,
      maxHeaderListSize: limits.egressHeadBytesMax,
    },
    maxSessionMemory: 16, // MiB
  });
  machine.emit("secureConnect"); // it waits for that, and only clients and servers of TLS say it themselves
  session.setTimeout(limits.egressIdleMs, () => session.close());
  session.on("error", () => {
    line.refuse("no-http");
    machine.destroy();
  });
  upstream.on("error", () => machine.destroy());
  // What it is at work on it finishes; more it does not take, so the machine must not send more here.
  upstream.once("goaway", () => session.close());
  upstream.once("close", () => machine.destroy());
  machine.once("close", () => {
    upstream.destroy();
    server.destroy();
  });
  session.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    void exchange(stream, headers, { line, upstream });
  });
}

/** Never rejects. */
async function exchange(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  { line, upstream }: { readonly line: Line; readonly upstream: ClientHttp2Session },
): Promise<void> {
  stream.on("error", () => {}); // `close` follows
  const admitted = admitStream(headers, line);
  if (admitted.kind === "refused") return refuse(stream, admitted);
  let body: Buffer | null;
  try {
    body = await filledBody(stream, headers, admitted);
  } catch (error) {
    if (stream.destroyed) return;
    return refuse(stream, refusedFor(error, line));
  }
  if (stream.destroyed || upstream.destroyed || upstream.closed) return stream.close(refusedStream);
  const request = upstream.request(requestHeaders(headers, admitted, body), {
    endStream: body === null && stream.readableEnded,
    waitForTrailers: true,
  });
  passEnds(stream, request);
  passTrailers(stream, request);
  request.on("headers", (early: OutgoingHttpHeaders) => {
    if (!stream.headersSent && !stream.destroyed) stream.additionalHeaders(early);
  });
  request.once("response", (answer) => answerWith(answer, request, stream, line));
  if (body === null) stream.pipe(request);
  else request.end(body);
}

const refusedStream = constants.NGHTTP2_REFUSED_STREAM;

function admitStream(headers: IncomingHttpHeaders, line: Line): Admitted | Refused {
  const { ":method": method, ":path": path = "", ":authority": authority, host } = headers;
  if (method === "CONNECT" || !(path.startsWith("/") || path === "*")) {
    line.refuse("other-host");
    return { kind: "refused", status: 400, code: "OTHER_HOST", message: "This is no proxy." };
  }
  const hosts = [...new Set([authority, host].filter((name) => name !== undefined))];
  return admit({ path, headers: flat(headers) }, hosts, line);
}

/** The whole body with secrets in it; null when it goes on as it comes. @throws {SecretElsewhereError} */
async function filledBody(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  { placeholders }: Admitted,
): Promise<Buffer | null> {
  const { "content-type": type, "content-encoding": encoding, "content-length": length } = headers;
  if (!isBodyFilled({ encoding, length }, placeholders)) return null;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limits.secretBodyBytesMax) throw new Error("the body is longer than it says");
    chunks.push(chunk);
  }
  return fillBody(Buffer.concat(chunks), type, placeholders);
}

function requestHeaders(
  given: IncomingHttpHeaders,
  { head }: Admitted,
  body: Buffer | null,
): OutgoingHttpHeaders {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of pairsOf(head.headers)) {
    if (notPassedOn.has(name) || name === ":path") continue;
    const before = headers[name];
    headers[name] =
      before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  headers[":path"] = head.path;
  headers[":authority"] ??= given.host ?? "";
  delete headers["host"];
  // In what is compressed no secret could be found.
  if (head.isChanged) headers["accept-encoding"] = "identity";
  if (body !== null) headers["content-length"] = String(body.length);
  return headers;
}

function answerWith(
  answer: IncomingHttpHeaders,
  request: ClientHttp2Stream,
  stream: ServerHttp2Stream,
  line: Line,
): void {
  if (stream.destroyed) return request.close();
  const needles = line.placeholders().needles;
  stream.respond(maskHeaders(answer, needles), { waitForTrailers: true });
  const mask = new Mask(needles);
  stream.once("close", () => mask.destroy());
  request.pipe(mask).pipe(stream);
}

function maskHeaders(
  headers: IncomingHttpHeaders,
  needles: readonly Buffer[],
): OutgoingHttpHeaders {
  const masked: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers)) {
    if (notPassedOn.has(name)) continue;
    masked[name] = Array.isArray(value)
      ? value.map((each) => maskText(each, needles))
      : typeof value === "string"
        ? maskText(value, needles)
        : value;
  }
  return masked;
}

/** What breaks one stream breaks the other, with the same code. */
function passEnds(stream: ServerHttp2Stream, request: ClientHttp2Stream): void {
  request.on("error", () => {}); // `close` follows
  request.once("close", () => {
    if (!stream.closed && (request.rstCode !== 0 || !stream.headersSent)) {
      stream.close(request.rstCode === 0 ? refusedStream : request.rstCode);
    }
  });
  stream.once("close", () => {
    if (!request.closed) request.close(stream.rstCode === 0 ? undefined : stream.rstCode);
  });
}

function passTrailers(stream: ServerHttp2Stream, request: ClientHttp2Stream): void {
  for (const [from, to] of [
    [stream, request],
    [request, stream],
  ] as const) {
    let trailers: IncomingHttpHeaders = {};
    from.once("trailers", (headers: IncomingHttpHeaders) => (trailers = headers));
    to.once("wantTrailers", () => to.sendTrailers(trailers));
  }
}

function refuse(stream: ServerHttp2Stream, refused: Refused): void {
  if (stream.destroyed) return;
  stream.respond({ ":status": refused.status, "content-type": "application/json" });
  stream.end(bodyOf(refused));
  stream.resume(); // what else comes is not wanted
}

/** Names and values in turn; each value of a name that has several has its own. */
function flat(headers: IncomingHttpHeaders): string[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).flatMap((each) =>
      each === undefined ? [] : [name, String(each)],
    ),
  );
}
