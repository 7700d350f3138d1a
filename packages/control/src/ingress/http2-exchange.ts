import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Duplex, Readable, Writable } from "node:stream";
import { TLSSocket } from "node:tls";

import type { AnswerHead, Exchange } from "./exchange.ts";
import { pairsOf, type HeaderPair } from "./headers.ts";

/** A request over HTTP/2. */
export class Http2Exchange implements Exchange {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly headers: readonly HeaderPair[];
  readonly remoteAddress: string;
  readonly servername: string | null;
  readonly body: Readable | null;
  readonly expectsContinue: boolean;
  readonly isWebSocket: boolean;
  readonly #stream: ServerHttp2Stream;
  readonly #gone = new AbortController();
  #received: readonly HeaderPair[] = [];
  #trailers: readonly HeaderPair[] = [];
  #isBare = false;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: readonly string[],
  ) {
    const pairs = pairsOf(rawHeaders);
    const socket = stream.session?.socket;
    this.#stream = stream;
    this.isWebSocket = headers[":method"] === "CONNECT" && headers[":protocol"] === "websocket";
    this.method = this.isWebSocket ? "GET" : String(headers[":method"] ?? "GET");
    this.path = String(headers[":path"] ?? "/");
    this.host = String(headers[":authority"] ?? headers["host"] ?? "");
    this.headers = pairs.filter(([name]) => !name.startsWith(":"));
    this.remoteAddress = socket?.remoteAddress ?? "unknown";
    const named = socket instanceof TLSSocket ? socket.servername : null;
    this.servername = typeof named === "string" && named !== "" ? named : null;
    this.body = this.isWebSocket || stream.endAfterHeaders ? null : stream;
    this.expectsContinue = headers["expect"]?.toLowerCase() === "100-continue";
    stream.on("error", () => {}); // `close` follows
    stream.once("close", () => {
      if (!stream.writableFinished) this.#gone.abort(new Error("the client has gone"));
    });
    stream.on("trailers", (_headers: object, _flags: number, raw?: readonly string[]) => {
      this.#received = pairsOf(raw ?? []);
    });
    stream.on("wantTrailers", () => this.#sendTrailers());
    stream.once("finish", () => {
      if (this.#isBare) this.#refuseRest();
    });
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get isAnswered(): boolean {
    return this.#stream.headersSent;
  }

  trailers(): readonly HeaderPair[] {
    return this.#received;
  }

  continue(): void {
    if (this.#stream.closed) return;
    this.#stream.additionalHeaders({ ":status": 100 });
  }

  hint(links: readonly string[]): void {
    if (this.#stream.closed) return;
    this.#stream.additionalHeaders({ ":status": 103, link: links.join(", ") });
  }

  answer({ status, headers }: AnswerHead): Writable {
    this.#stream.respond(
      { ":status": status, ...byName(headers) },
      { waitForTrailers: !this.isWebSocket },
    );
    return this.#stream;
  }

  finish(trailers: readonly HeaderPair[]): void {
    this.#trailers = trailers;
    this.#isBare = this.#stream.writableEnded; // Node knows which answers have no body
    this.#stream.end();
  }

  accept(headers: readonly HeaderPair[]): Duplex {
    this.answer({ status: 200, headers });
    return this.#stream;
  }

  cut(): void {
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  #sendTrailers(): void {
    try {
      this.#stream.sendTrailers(byName(this.#trailers));
      this.#refuseRest();
    } catch {
      this.cut(); // they are none that HTTP/2 can send
    }
  }

  /** What the client still sends after the answer is of no use to anybody (RFC 9113, 8.1). */
  #refuseRest(): void {
    const stream = this.#stream;
    setImmediate(() => {
      if (!stream.closed && !stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
    });
  }
}

/** Names are in small letters in HTTP/2. */
function byName(headers: readonly HeaderPair[]): Record<string, string | string[]> {
  const values = new Map<string, string[]>();
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    values.set(key, [...(values.get(key) ?? []), value]);
  }
  return Object.fromEntries(
    [...values].map(([name, all]) => [name, all.length === 1 ? (all[0] ?? "") : all]),
  );
}
