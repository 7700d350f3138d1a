import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";

import { limits, toSandboxError, type SandboxError } from "@skerry/protocol";

import { authorize } from "./authorize.ts";
import { answerParseError } from "./client-error.ts";
import { contextOf, type ServerContext } from "./context.ts";
import {
  errorResponse,
  loggablePath,
  makeTraceId,
  sendResponse,
  toRequest,
  urlOf,
} from "./http.ts";
import { answer } from "./routes.ts";
import { Upgrades, type Closing } from "./upgrades/upgrades.ts";

/** The HTTP and WebSocket API. */
export class ApiServer {
  readonly #context: ServerContext;
  readonly #http: Server;
  readonly #upgrades: Upgrades;

  constructor(context: ServerContext) {
    this.#context = context;
    this.#upgrades = new Upgrades(context);
    this.#http = createServer({
      maxHeaderSize: limits.createHeaderBytesMax + 65_536,
      headersTimeout: limits.requestHeadMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs, // longer than clients keep theirs, so that they close first
      noDelay: true,
      // Some clients offer HTTP/2 with `Upgrade: h2c` on ordinary requests.
      shouldUpgradeCallback: (message) => message.headers.upgrade?.toLowerCase() === "websocket",
    });
    this.#http.maxConnections = limits.connectionsMax;
    this.#http.on("request", (message, response) => void this.#onRequest(message, response));
    this.#http.on(
      "upgrade",
      (message, socket, head) => void this.#onUpgrade(message, socket, head),
    );
    this.#http.on("clientError", answerParseError);
  }

  /** Starts to listen. Port 0 takes a free one. @returns the address to reach it by. */
  async listen(host: string, port: number): Promise<AddressInfo> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#http.once("error", reject);
    this.#http.listen({ host, port }, resolve);
    await promise;
    this.#http.off("error", reject);
    this.#http.on("error", (error) => this.#context.log.error({ err: error }, "server failed"));
    return this.#http.address() as AddressInfo; // of a TCP server that listens
  }

  /** Serves a connection that somebody else has taken. */
  accept(socket: Duplex): void {
    this.#http.emit("connection", socket);
  }

  /** Takes no more connections. Those that are open go on until {@link close}. */
  stopListening(): void {
    this.#http.close();
    this.#http.closeIdleConnections();
  }

  /** Ends all connections. */
  async close(why: Closing): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#http.close(() => resolve());
    this.#http.closeAllConnections();
    await this.#upgrades.close(why);
    await promise;
  }

  async #onRequest(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const { log, clock } = this.#context;
    const traceId = makeTraceId();
    const startedMs = clock.now();
    const result = await this.#respond(message, traceId);
    response.on("error", (error) => log.debug({ err: error, traceId }, "response not sent"));
    await sendResponse(result, traceId, response);
    const { method, url = "" } = message;
    const path = loggablePath(url);
    const durationMs = clock.now() - startedMs;
    log.info({ traceId, method, path, status: result.status, durationMs }, "request finished");
  }

  /** Never rejects: every failure has an answer. */
  async #respond(message: IncomingMessage, traceId: string): Promise<Response> {
    try {
      const principal = await authorize(message.headers.authorization, this.#context);
      const context = contextOf(this.#context, principal);
      return await answer(await toRequest(message, urlOf(message)), context);
    } catch (error) {
      const failure = toSandboxError(error);
      this.#logFault(failure, traceId);
      return errorResponse(failure);
    }
  }

  async #onUpgrade(message: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const traceId = makeTraceId();
    const failure = await this.#upgrades.upgrade({ message, socket, head, traceId });
    if (failure !== null) this.#logFault(failure, traceId);
  }

  #logFault(failure: SandboxError, traceId: string): void {
    if (failure.code !== "INTERNAL") return;
    this.#context.log.error({ err: failure.cause, traceId }, "request failed inside");
  }
}
