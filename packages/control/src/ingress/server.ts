import {
  createServer as createHttp1,
  ServerResponse,
  type IncomingMessage,
  type Server as Http1Server,
} from "node:http";
import {
  createServer as createHttp2,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { createServer as createTls, type Server as TlsServer, type TLSSocket } from "node:tls";

import { limits } from "@skerry/protocol";
import type { Logger } from "pino";

import { answerParseError } from "../api/client-error.ts";
import type { ServerCertificate } from "./certificate.ts";
import { Http1Exchange, type UpgradeSocket } from "./http1-exchange.ts";
import { Http2Exchange } from "./http2-exchange.ts";
import type { Requests } from "./requests.ts";
import type { Zone } from "./zone.ts";

/** Slow heads are looked for this often. */
const lookEveryMs = 5_000;

/** What the ingress serves. */
export interface IngressServerOptions {
  readonly zone: Zone;
  readonly certificate: ServerCertificate;
  readonly requests: Requests;
  /** Takes connections for the API. */
  readonly acceptApi: (socket: TLSSocket) => void;
  readonly log: Logger;
}

/**
 * Ends TLS for all names. Which server gets a connection is known when its handshake is over: the API's,
 * by the name that the client has named; else the one for the version of HTTP on which both agreed.
 */
export class IngressServer {
  readonly #options: IngressServerOptions;
  readonly #tls: TlsServer;
  readonly #http1: Http1Server;
  readonly #http2: Http2Server;
  /** Those whose handshake is not over yet, too. */
  readonly #sockets = new Set<Socket>();

  constructor(options: IngressServerOptions) {
    this.#options = options;
    const { certificate } = options;
    this.#http1 = this.#makeHttp1();
    this.#http2 = this.#makeHttp2();
    this.#tls = createTls({
      ...certificate.current,
      minVersion: "TLSv1.2",
      noDelay: true,
      handshakeTimeout: limits.requestHeadMs,
      ALPNCallback: ({ servername, protocols }) => this.#chooseProtocol(servername, protocols),
    });
    this.#tls.maxConnections = limits.connectionsMax;
    this.#tls.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#tls.on("secureConnection", (socket) => this.#onSecure(socket));
    this.#tls.on("tlsClientError", () => {}); // Node has closed the connection
    certificate.onChange = (next) => this.#tls.setSecureContext(next);
  }

  /** Starts to listen. Port 0 takes a free one. */
  async listen(host: string, port: number): Promise<AddressInfo> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#tls.once("error", reject);
    this.#tls.listen({ host, port }, resolve);
    await promise;
    this.#tls.off("error", reject);
    this.#tls.on("error", (error) => this.#options.log.error({ err: error }, "ingress failed"));
    return this.#tls.address() as AddressInfo; // of a TCP server that listens
  }

  /** Takes no more connections. Those that are open go on until {@link close}. */
  stopListening(): void {
    this.#tls.close();
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tls.close(() => resolve());
    this.#http1.close(); // its timer; it has never listened
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }

  #makeHttp1(): Http1Server {
    const server = createHttp1({
      maxHeaderSize: limits.ingressHeadBytesMax,
      headersTimeout: limits.requestHeadMs,
      requestTimeout: 0, // a body may take as long as it moves
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: lookEveryMs,
      // Some clients offer HTTP/2 with `Upgrade: h2c` on ordinary requests.
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === "websocket",
    });
    server.timeout = limits.ingressIdleMs;
    const serve = (message: IncomingMessage, response: ServerResponse, options = {}): void => {
      void this.#options.requests.answer(new Http1Exchange(message, response, options));
    };
    server.on("request", serve);
    server.on("checkContinue", (message, response) =>
      serve(message, response, { expectsContinue: true }),
    );
    server.on("upgrade", (message: IncomingMessage, socket: TLSSocket, head: Buffer) => {
      socket.on("error", () => {}); // `close` follows
      const response = new ServerResponse(message);
      response.shouldKeepAlive = false;
      response.assignSocket(socket);
      const upgrade: UpgradeSocket = { socket, head };
      serve(message, response, { upgrade });
    });
    server.on("clientError", answerParseError);
    server.emit("listening"); // from then on it watches its connections, which come from the TLS server
    return server;
  }

  #makeHttp2(): Http2Server {
    const server = createHttp2({
      settings: {
        maxConcurrentStreams: limits.ingressStreamsMax,
        maxHeaderListSize: limits.ingressHeadBytesMax,
        enableConnectProtocol: true,
        initialWindowSize: limits.ingressWindowBytes,
      },
      strictSingleValueFields: false, // servers send what they send
    });
    server.on("session", (session) => {
      session.setLocalWindowSize(limits.ingressSessionWindowBytes);
      endWhenQuiet(session);
    });
    server.on("sessionError", () => {}); // the session is over
    server.on(
      "stream",
      (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags, raw: string[]) => {
        stream.setTimeout(limits.ingressIdleMs, () => stream.destroy());
        if (headers[":method"] === "CONNECT" && headers[":protocol"] !== "websocket") {
          stream.on("error", () => {});
          stream.respond({ ":status": 405 }, { endStream: true });
          return;
        }
        void this.#options.requests.answer(new Http2Exchange(stream, headers, raw));
      },
    );
    return server;
  }

  #chooseProtocol(servername: string, protocols: readonly string[]): string | undefined {
    const known = this.#options.zone.isApi(servername) ? ["http/1.1"] : ["h2", "http/1.1"];
    return known.find((protocol) => protocols.includes(protocol));
  }

  #onSecure(socket: TLSSocket): void {
    socket.on("error", () => {}); // `close` follows
    const { servername } = socket as { readonly servername?: string | false | null };
    if (typeof servername === "string" && this.#options.zone.isApi(servername)) {
      this.#options.acceptApi(socket);
    } else if (socket.alpnProtocol === "h2") {
      this.#http2.emit("connection", socket);
    } else {
      this.#http1.emit("connection", socket);
    }
  }
}

/** Ends a session that begins no request: one that says nothing, or takes for ever to say it. */
function endWhenQuiet(session: ServerHttp2Session): void {
  let open = 0;
  let timer: NodeJS.Timeout | undefined;
  const wait = (ms: number): void => {
    timer = setTimeout(() => session.destroy(), ms);
    timer.unref();
  };
  wait(limits.requestHeadMs);
  session.on("stream", (stream) => {
    open++;
    clearTimeout(timer);
    stream.once("close", () => {
      open--;
      if (open === 0 && !session.destroyed) wait(limits.keepAliveMs);
    });
  });
  session.once("close", () => clearTimeout(timer));
  session.on("error", () => {}); // `close` follows
}
