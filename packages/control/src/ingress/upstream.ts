import { Agent, request, type ClientRequest } from "node:http";
import type { Duplex } from "node:stream";

import { GuestError, limits, SandboxError, type Guest, type GuestSocket } from "@skerry/protocol";

import { GuestDuplex } from "../rpc/fetch/guest-duplex.ts";
import type { ExposeTarget } from "../store/store.ts";
import { listeningPort } from "./listening-port.ts";

/** The head of a request to a server in a machine. */
export interface UpstreamHead {
  readonly method: string;
  readonly path: string;
  /** Names and values, one after the other. */
  readonly headers: readonly string[];
}

/** The way to one server in a machine. */
export class Upstream {
  readonly #guest: () => Guest;
  readonly #target: ExposeTarget;
  readonly #agent: GuestAgent;

  /** @param guest Throws when the machine is gone. */
  constructor(guest: () => Guest, target: ExposeTarget) {
    this.#guest = guest;
    this.#target = target;
    this.#agent = new GuestAgent(() => this.connect());
  }

  /**
   * Begins a request. Its `error` is a {@link SandboxError} when there is no connection.
   *
   * @param isRepeatable Whether it may be sent again, and so over a connection that has been used: the
   * server may close that at the same time.
   */
  begin(head: UpstreamHead, isRepeatable: boolean, signal: AbortSignal): ClientRequest {
    return request({
      ...{ method: head.method, path: head.path, headers: head.headers, signal },
      // Anything else than these two would connect from this host.
      ...(isRepeatable ? { agent: this.#agent } : { createConnection: this.#agent.dial }),
      maxHeaderSize: limits.ingressHeadBytesMax,
      insecureHTTPParser: false,
      setHost: false,
    });
  }

  /** Connects to the server. @throws {SandboxError} `NOTHING_LISTENS`, `SANDBOX_GONE`, `ANSWER_TIMEOUT`. */
  async connect(): Promise<Duplex> {
    const deadline = AbortSignal.timeout(limits.ingressConnectMs);
    try {
      const socket = await dial(this.#guest(), this.#target, deadline);
      const connection = new GuestDuplex(socket, { allowHalfOpen: false });
      connection.on("error", () => {}); // whoever uses it hears of it too
      return connection;
    } catch (error) {
      if (error instanceof SandboxError) throw error;
      if (deadline.aborted) throw new SandboxError("ANSWER_TIMEOUT", undefined, { cause: error });
      throw new SandboxError("NOTHING_LISTENS", portOf(this.#target), { cause: error });
    }
  }

  /** Ends the connections that wait. */
  close(): void {
    this.#agent.destroy();
  }
}

/** Connects inside the machine; keeps connections for requests that may be sent twice. */
class GuestAgent extends Agent {
  readonly #connect: () => Promise<Duplex>;

  constructor(connect: () => Promise<Duplex>) {
    super({ keepAlive: true, maxFreeSockets: limits.ingressIdleConnectionsMax });
    this.#connect = connect;
  }

  /** Connects for one request alone. */
  readonly dial = (
    _options: object,
    connected: (error: Error | null, socket: Duplex) => void,
  ): undefined => {
    this.#connect().then(
      (socket) => connected(null, socket),
      // Node takes no socket beside an error, whatever the types say.
      (error: unknown) => connected(error as Error, undefined as unknown as Duplex),
    );
  };

  override createConnection(
    options: object,
    connected: (error: Error | null, socket: Duplex) => void = () => {},
  ): undefined {
    return this.dial(options, connected);
  }

  /**
   * Watches a connection while nobody uses it, which Node does for its own sockets alone: bytes that nobody asked for
   * must not become somebody's answer, and one that the server has closed is of no use.
   */
  override keepSocketAlive(socket: Duplex): boolean {
    socket.on("data", letGo);
    socket.resume();
    return true;
  }

  override reuseSocket(socket: Duplex, sent: ClientRequest): void {
    socket.off("data", letGo);
    super.reuseSocket(socket, sent);
  }
}

function letGo(this: Duplex): void {
  this.destroy();
}

async function dial(guest: Guest, target: ExposeTarget, signal: AbortSignal): Promise<GuestSocket> {
  switch (target.kind) {
    case "port":
      return await dialPort(guest, target.port, signal);
    case "socket":
      return await guest.dial({ unix: target.path }, signal);
    case "process":
      return await dialPort(guest, await listeningPort(guest, target.pid, signal), signal);
  }
}

/** Servers that listen on `localhost` have one of the two addresses, or both. */
async function dialPort(guest: Guest, port: number, signal: AbortSignal): Promise<GuestSocket> {
  try {
    return await guest.dial({ tcp: { host: "127.0.0.1", port } }, signal);
  } catch (error) {
    if (!(error instanceof GuestError && error.errno === "ECONNREFUSED")) throw error;
    return await guest.dial({ tcp: { host: "::1", port } }, signal);
  }
}

function portOf(target: ExposeTarget): string | undefined {
  return target.kind === "port" ? `port ${target.port}` : undefined;
}
