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

import { Connection } from "../rpc/connection.ts";
import { grantEditor } from "../rpc/editor/grant.ts";
import type { Dialect, ExposeHttp, PrepareEditor } from "../rpc/handlers/handler.ts";
import type { Sandbox } from "../sandboxes/sandbox.ts";
import type { Visitor } from "../ssh/tickets.ts";
import { recordVisit } from "../ssh/visit.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { Terminals } from "../terminal/terminals.ts";
import type { LeaseTag } from "../tokens/leases.ts";
import { tagsOf, userIdOf } from "../tokens/principal.ts";
import { authorize, bearerOf } from "./authorize.ts";
import { contextOf, type ApiContext, type ServerContext } from "./context.ts";
import { readCreateConfig } from "./create-config.ts";
import { ingressOf } from "./expose-routes.ts";
import { loggablePath, refuseUpgrade, urlOf } from "./http.ts";
import { readId } from "./read-id.ts";

/** A request to become a WebSocket. */
export interface Upgrade {
  readonly message: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly traceId: string;
}

/** What a socket was opened with. */
interface Access {
  readonly tags: readonly LeaseTag[];
  /** Whose it is, if anybody's. */
  readonly userId: string | null;
  /** Whether it is still good for that. */
  readonly isStillGood: () => Promise<boolean>;
}

/** Who opens a socket, as far as requests go. */
interface Admitted {
  readonly context: ApiContext;
  readonly access: Access;
}

/** Where an upgrade leads: the sandbox, and whether this connection created it. */
interface Target {
  readonly sandbox: Sandbox;
  readonly access: Access;
  /** Who comes in by SSH. */
  readonly visitor?: Visitor | undefined;
  readonly isOwner: boolean;
  /** The address of the port that the client wanted exposed. */
  readonly url?: string | undefined;
}

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
      if (terminalPath.test(urlOf(message).pathname)) {
        const { sandbox, terminal, access } = await this.#findTerminal(message);
        gone.release();
        this.#showTerminal(upgrade, terminal, access);
        finished(101, sandbox.id);
        return null;
      }
      const target = await this.#findTarget(message, gone.signal);
      gone.release();
      this.#open(upgrade, target);
      finished(101, target.sandbox.id);
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

  /** Starts a terminal, or finds the one that the query names. */
  async #findTerminal(message: IncomingMessage): Promise<{
    readonly sandbox: Sandbox;
    readonly terminal: Terminal;
    readonly access: Access;
  }> {
    this.#checkOrigin(message.headers.origin);
    const { context, access } = await this.#authorize(terminalToken(message));
    const { pathname, searchParams } = urlOf(message);
    const [, id = ""] = terminalPath.exec(pathname) ?? [];
    const sandbox = await context.sandboxes.enter(readId(id));
    const session = searchParams.get("session");
    if (session !== null) {
      return { sandbox, terminal: this.#terminals.find(sandbox, session), access };
    }
    const size = (name: string, fallback: number): number => {
      const given = searchParams.get(name);
      if (given === null) return fallback;
      if (!/^[1-9]\d{0,3}$/.test(given))
        throw new SandboxError("INVALID_REQUEST", `${name}: 1 to 9999`);
      return Number(given);
    };
    const wish = { rows: size("rows", 24), cols: size("cols", 80) };
    return { sandbox, terminal: await this.#terminals.start(sandbox, wish), access };
  }

  #showTerminal({ message, socket, head }: Upgrade, terminal: Terminal, access: Access): void {
    this.#sockets.handleUpgrade(message, socket, head, (client: WebSocket) => {
      terminal.show(client);
      this.#lease(client, access, (reason) => client.close(closeCode.revoked, reason));
    });
  }

  /** Has a socket end when what it was opened with is taken back, or was while it opened. */
  #lease(client: WebSocket, access: Access, end: (reason: string) => void): void {
    const revoked = (): void => end("The access was revoked.");
    const lease = this.#context.leases.hold(access.tags, revoked);
    client.once("close", () => lease[Symbol.dispose]());
    const check = async (): Promise<void> => {
      if (!(await access.isStillGood())) revoked();
    };
    check().catch(revoked);
  }

  async #findTarget(message: IncomingMessage, gone: AbortSignal): Promise<Target> {
    this.#checkOrigin(message.headers.origin);
    const { authorization } = message.headers;
    const visitor = this.#context.ssh.redeem(bearerOf(authorization) ?? "");
    if (visitor !== null) return await this.#admit(visitor, urlOf(message).pathname);
    const { context, access } = await this.#authorize(authorization);
    const { pathname } = urlOf(message);
    if (createPath.test(pathname)) {
      return await this.#create(message, { context, access }, gone);
    }
    const [, id] = connectPath.exec(pathname) ?? [];
    if (id === undefined) throw new SandboxError("NOT_FOUND", loggablePath(pathname));
    return { sandbox: await context.sandboxes.enter(readId(id)), isOwner: false, access };
  }

  /** A page in a browser sends its origin, and may not use a token that it got hold of. */
  #checkOrigin(origin: string | undefined): void {
    if (origin === undefined || this.#context.allowedOrigins.includes(origin)) return;
    throw new SandboxError("ORIGIN_REFUSED", origin.slice(0, 200));
  }

  /** Lets in who shows a ticket: to its sandbox, and nothing else. */
  async #admit(visitor: Visitor, pathname: string): Promise<Target> {
    const [, id = ""] = connectPath.exec(pathname) ?? [];
    if (id !== visitor.sandboxId) throw new SandboxError("SANDBOX_NOT_FOUND");
    const sandbox = await this.#context.sandboxes.enter(visitor.sandboxId);
    return { sandbox, isOwner: false, access: visitor, visitor };
  }

  async #authorize(header: string | undefined): Promise<Admitted> {
    const principal = await authorize(header, this.#context);
    const isStillGood = async (): Promise<boolean> => {
      await authorize(header, this.#context);
      return true;
    };
    const access = { tags: tagsOf(principal), userId: userIdOf(principal), isStillGood };
    return { context: contextOf(this.#context, principal), access };
  }

  async #create(
    message: IncomingMessage,
    { context, access }: Admitted,
    gone: AbortSignal,
  ): Promise<Target> {
    const { sandboxes, clock, lifetimeMaxMs, regions } = context;
    const header = single(message, headers.config);
    const hints = { host: message.headers.host, region: single(message, headers.region) };
    const rules = { nowMs: clock.now(), lifetimeMaxMs, regions };
    const wish = readCreateConfig(header, hints, rules);
    if (wish.port !== null) ingressOf(this.#context); // before anything is made
    const sandbox = await sandboxes.create(wish, gone);
    if (wish.port === null) return { sandbox, isOwner: true, access };
    try {
      const url = await this.#expose(sandbox, wish.port);
      return { sandbox, isOwner: true, access, url };
    } catch (error) {
      sandbox.request({ kind: "kill" }); // it is not what was asked for
      throw error;
    }
  }

  async #expose(sandbox: Sandbox, port: number): Promise<string> {
    const ingress = ingressOf(this.#context);
    const { domain, url } = await ingress.expose(sandbox, { isPrivate: false, expiresInMs: null });
    await ingress.bind(sandbox, domain, { kind: "port", port });
    return url;
  }

  #open({ message, socket, head, traceId }: Upgrade, target: Target): void {
    const { sandbox, isOwner, access, visitor, url } = target;
    const { clock, log } = this.#context;
    if (!sandbox.isRunning) throw new SandboxError("SANDBOX_NOT_FOUND");
    let isOpen = false;
    const tell = (lines: string[]): void => {
      lines.push(`${headers.sandboxId}: ${sandbox.id}`, `${headers.traceId}: ${traceId}`);
      if (url !== undefined) lines.push(`${headers.url}: ${url}`);
    };
    this.#sockets.once("headers", tell); // handleUpgrade() is synchronous, so it is this upgrade's
    this.#sockets.handleUpgrade(message, socket, head, (client: WebSocket) => {
      isOpen = true;
      const childLog = log.child({ sandboxId: sandbox.id, traceId });
      const received = (): number => (socket instanceof Socket ? socket.bytesRead : 0);
      const dialect = dialectOf(message);
      const expose: ExposeHttp = (domain, to) => ingressOf(this.#context).bind(sandbox, domain, to);
      const prepareEditor: PrepareEditor = async (env, signal) => {
        ingressOf(this.#context);
        await this.#context.host.ensureEditor(signal);
        const owner = { sandboxId: sandbox.id, userId: access.userId };
        return await grantEditor(owner, env, this.#context.tokens);
      };
      const options = {
        ...{ sandbox, clock, log: childLog, traceId, isOwner, received },
        ...{ dialect, expose, prepareEditor },
      };
      const record = visitor && recordVisit(visitor, { sandbox, client, clock });
      const connection = new Connection(client, { ...options, record });
      sandbox.attach(connection);
      this.#lease(client, access, (reason) => connection.end(closeCode.revoked, reason));
    });
    this.#sockets.off("headers", tell);
    // The socket has gone, or its handshake was wrong and ws has answered: nobody knows the sandbox.
    if (!isOpen && isOwner) sandbox.request({ kind: "kill" });
  }
}

/** Whether clients may come back soon to the sandboxes that they had. */
export type Closing = "stop" | "restart";

/** The best of ours that a client offers; by default ws would agree to anything. */
function chosenProtocol(offered: ReadonlySet<string>): string | false {
  const { binary, json } = subprotocols;
  return [binary, json, terminalProtocols.name].find((protocol) => offered.has(protocol)) ?? false;
}

const terminalPath = /^\/api\/v1\/sandboxes\/([^/]+)\/terminal$/;

/** Whose terminal it is to be: the header, or the subprotocol in which browsers bring a token. */
function terminalToken({ headers: given }: IncomingMessage): string | undefined {
  if (given.authorization !== undefined) return given.authorization;
  const offered = (given["sec-websocket-protocol"] ?? "").split(",").map((each) => each.trim());
  const token = offered.find((each) => each.startsWith(terminalProtocols.token));
  return token === undefined ? undefined : `Bearer ${token.slice(terminalProtocols.token.length)}`;
}

const createPath = /^\/api\/v3\/sandboxes\/create$/;
const connectPath = /^\/api\/v3\/sandbox(?:es)?\/([^/]+)\/connect$/;

/** The Python client's WebSocket library names itself; no other client needs anything special. */
function dialectOf(message: IncomingMessage): Dialect {
  const agent = message.headers["user-agent"] ?? "";
  return agent.includes("websockets/") ? "python" : "javascript";
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

function single(message: IncomingMessage, name: string): string | undefined {
  const value = message.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
