import type { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";

import {
  closeCode,
  headers,
  limits,
  SandboxError,
  subprotocols,
  terminalProtocols,
  toSandboxError,
} from "@skerry/protocol";
import { WebSocketServer, type ServerOptions, type WebSocket } from "ws";

import { Terminals } from "../../terminal/terminals.ts";
import type { ServerContext } from "../context.ts";
import { loggablePath, refuseUpgrade, urlOf } from "../http.ts";
import { checkOrigin, holdLease } from "./access.ts";
import type { Passage } from "./passage.ts";
import { toNewSandbox, toSandbox } from "./sandbox-upgrade.ts";
import { toTerminal } from "./terminal-upgrade.ts";

/** A request to become a WebSocket. */
export interface Upgrade {
  readonly message: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly traceId: string;
}

/** Whether clients may come back soon to the sandboxes that they had. */
export type Closing = "stop" | "restart";

const createPath = /^\/api\/v3\/sandboxes\/create$/;
const connectPath = /^\/api\/v3\/sandbox(?:es)?\/([^/]+)\/connect$/;
const terminalPath = /^\/api\/v1\/sandboxes\/([^/]+)\/terminal$/;

/**
 * Turns requests into sockets of sandboxes. The sandbox is there before the client hears that there
 * is a socket, so that every failure is a plain HTTP answer, which the clients know how to tell.
 */
export class Upgrades {
  readonly #context: ServerContext;
  readonly #sockets: WebSocketServer;
  readonly #terminals: Terminals;

  constructor(context: ServerContext) {
    this.#context = context;
    this.#terminals = new Terminals(context.clock);
    const options: ServerOptions & { readonly closeTimeout: number } = {
      noServer: true,
      maxPayload: limits.clientMessageBytesMax,
      closeTimeout: limits.clientCloseMs, // ws has it, its types do not
      handleProtocols: chosenProtocol,
      perMessageDeflate: false, // a client could make us unpack far more than it sends
    };
    this.#sockets = new WebSocketServer(options);
  }

  /** Never rejects. @returns why there is no socket, or null. */
  async upgrade(upgrade: Upgrade): Promise<SandboxError | null> {
    const { message, socket, traceId } = upgrade;
    const { log, clock } = this.#context;
    const startedMs = clock.now();
    const gone = watch(socket);
    const finished = (status: number, sandboxId?: string): void => {
      const path = loggablePath(message.url ?? "");
      const durationMs = clock.now() - startedMs;
      log.info({ traceId, path, status, durationMs, sandboxId }, "upgrade finished");
    };
    try {
      const passage = await this.#find(message, gone.signal);
      gone.release();
      this.#open(upgrade, passage);
      finished(101, passage.sandbox.id);
      return null;
    } catch (error) {
      const failure = toSandboxError(error);
      refuseUpgrade(socket, failure, traceId);
      finished(failure.status);
      return failure;
    }
  }

  /** Closes all sockets that are still open, and cuts off those whose client does not answer. */
  async close(why: Closing): Promise<void> {
    const code = why === "restart" ? closeCode.serviceRestart : closeCode.goingAway;
    const clients = [...this.#sockets.clients];
    const closed = Promise.all(clients.map(untilClosed));
    for (const client of clients) client.close(code, "The server is stopping.");
    const { promise: tooLong, resolve } = Promise.withResolvers<void>();
    using _timer = this.#context.clock.setTimer(limits.clientCloseMs, resolve);
    await Promise.race([closed, tooLong]);
    for (const client of clients) client.terminate();
  }

  async #find(message: IncomingMessage, gone: AbortSignal): Promise<Passage> {
    const context = this.#context;
    checkOrigin(message, context.allowedOrigins);
    const { pathname } = urlOf(message);
    if (createPath.test(pathname)) return await toNewSandbox(message, context, gone);
    const [, sandbox] = connectPath.exec(pathname) ?? [];
    if (sandbox !== undefined) return await toSandbox(message, context, sandbox);
    const [, id] = terminalPath.exec(pathname) ?? [];
    if (id === undefined) throw new SandboxError("NOT_FOUND", loggablePath(pathname));
    return await toTerminal(message, context, { id, terminals: this.#terminals });
  }

  #open({ message, socket, head, traceId }: Upgrade, passage: Passage): void {
    const { sandbox, access, url } = passage;
    if (!sandbox.isRunning) throw new SandboxError("SANDBOX_NOT_FOUND");
    let isOpen = false;
    const tell = (lines: string[]): void => {
      lines.push(`${headers.sandboxId}: ${sandbox.id}`, `${headers.traceId}: ${traceId}`);
      if (url !== undefined) lines.push(`${headers.url}: ${url}`);
    };
    const received = (): number => (socket instanceof Socket ? socket.bytesRead : 0);
    this.#sockets.once("headers", tell); // handleUpgrade() is synchronous, so it is this upgrade's
    this.#sockets.handleUpgrade(message, socket, head, (client: WebSocket) => {
      isOpen = true;
      const end = passage.open(client, { message, traceId, received });
      holdLease(client, access, this.#context, end);
    });
    this.#sockets.off("headers", tell);
    // The socket has gone, or its handshake was wrong and ws has answered.
    if (!isOpen) passage.abandon?.();
  }
}

/** The best of ours that a client offers; by default ws would agree to anything. */
function chosenProtocol(offered: ReadonlySet<string>): string | false {
  const { binary, json } = subprotocols;
  return [binary, json, terminalProtocols.name].find((protocol) => offered.has(protocol)) ?? false;
}

async function untilClosed(client: WebSocket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  client.once("close", () => resolve());
  await promise;
}

/** Notices when the client leaves before its socket is a WebSocket. */
function watch(socket: Duplex): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const leave = (): void => controller.abort();
  const ignore = (): void => {}; // `close` follows
  socket.on("error", ignore);
  socket.on("end", leave);
  socket.on("close", leave);
  return {
    signal: controller.signal,
    release() {
      socket.off("end", leave);
      socket.off("close", leave);
    },
  };
}
