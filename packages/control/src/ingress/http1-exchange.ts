import { STATUS_CODES, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex, Readable, Writable } from "node:stream";
import { TLSSocket } from "node:tls";

import { limits } from "@skerry/protocol";

import type { AnswerHead, Exchange } from "./exchange.ts";
import { pairsOf, valuesOf, type HeaderPair } from "./headers.ts";

/** What Node gives with a request to go on with another protocol. */
export interface UpgradeSocket {
  readonly socket: Duplex;
  /** What of the other protocol has come already. */
  readonly head: Buffer;
}

/** A request over HTTP/1. */
export class Http1Exchange implements Exchange {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly headers: readonly HeaderPair[];
  readonly remoteAddress: string;
  readonly servername: string | null;
  readonly body: Readable | null;
  readonly expectsContinue: boolean;
  readonly #message: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #upgrade: UpgradeSocket | null;
  readonly #gone = new AbortController();

  constructor(
    message: IncomingMessage,
    response: ServerResponse,
    options: { readonly expectsContinue?: boolean; readonly upgrade?: UpgradeSocket } = {},
  ) {
    const { socket } = message;
    const { path, host } = targetOf(message);
    this.#message = message;
    this.#response = response;
    this.#upgrade = options.upgrade ?? null;
    this.method = message.method ?? "GET";
    this.path = path;
    this.host = host;
    this.headers = pairsOf(message.rawHeaders);
    this.remoteAddress = socket.remoteAddress ?? "unknown";
    this.servername = socket instanceof TLSSocket ? servernameOf(socket) : null;
    this.body = this.#upgrade === null && hasBody(message) ? message : null;
    this.expectsContinue = options.expectsContinue ?? false;
    response.on("error", () => {}); // `close` follows
    message.on("error", () => {});
    response.once("close", () => {
      if (!response.writableFinished) this.#gone.abort(new Error("the client has gone"));
    });
    response.once("finish", () => this.#linger());
  }

  get isWebSocket(): boolean {
    return this.#upgrade !== null;
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get isAnswered(): boolean {
    return this.#response.headersSent;
  }

  trailers(): readonly HeaderPair[] {
    return pairsOf(this.#message.rawTrailers);
  }

  continue(): void {
    this.#response.writeContinue();
  }

  hint(links: readonly string[]): void {
    this.#response.writeInformation(103, { link: [...links] });
  }

  answer({ status, reason, headers }: AnswerHead): Writable {
    this.#response.writeHead(status, reason ?? STATUS_CODES[status] ?? "", headers.flat());
    return this.#response;
  }

  finish(trailers: readonly HeaderPair[]): void {
    if (trailers.length > 0) this.#response.addTrailers(trailers);
    this.#response.end();
  }

  accept(headers: readonly HeaderPair[]): Duplex {
    if (this.#upgrade === null) throw new TypeError("the client asked for nothing of the kind");
    const { socket, head } = this.#upgrade;
    const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`);
    this.#response.detachSocket(this.#message.socket);
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n${lines.join("")}\r\n`,
      "latin1",
    );
    if (head.length > 0) socket.unshift(head);
    socket.setMaxListeners(0); // a pipeline in both directions has more than Node expects
    return socket;
  }

  cut(): void {
    this.#message.socket.destroy();
  }

  /**
   * A client that still sends a body when it has the answer may be about to read the answer only after
   * that: it is heard out for a while.
   */
  #linger(): void {
    const message = this.#message;
    if (this.#upgrade !== null) {
      this.#upgrade.socket.end();
      return;
    }
    if (message.complete) return;
    message.resume();
    const timer = setTimeout(() => message.socket.destroy(), limits.clientCloseMs);
    message.once("close", () => clearTimeout(timer));
  }
}

function servernameOf(socket: TLSSocket): string | null {
  const { servername } = socket as { readonly servername?: string | false | null };
  return typeof servername === "string" && servername !== "" ? servername : null;
}

function hasBody({ headers }: IncomingMessage): boolean {
  if (headers["transfer-encoding"] !== undefined) return true;
  return Number(headers["content-length"] ?? 0) > 0;
}

/** The path, and the host: a client that takes us for its proxy names the host there (RFC 9112, 3.2.2). */
function targetOf(message: IncomingMessage): { readonly path: string; readonly host: string } {
  const { url = "/" } = message;
  const [, authority, path] = /^https?:\/\/([^/?#]*)([^#]*)/i.exec(url) ?? [];
  if (authority === undefined || path === undefined) {
    return { path: url, host: valuesOf(pairsOf(message.rawHeaders), "host")[0] ?? "" };
  }
  return { path: path.startsWith("/") ? path : `/${path}`, host: authority };
}
