import { closeCode, limits } from "@skerry/protocol";

import type { Connection } from "./connection.ts";
import { ApiError, ConnectionError } from "./errors.ts";

/** Time between two attempts to come back; it doubles from the first to the last. */
const firstPauseMs = 100;
const lastPauseMs = 2_000;

/** Resolves after `ms`, or when `signal` aborts. */
export type Pause = (ms: number, signal: AbortSignal) => Promise<void>;

/**
 * The connection to a sandbox that outlives its sockets: when one drops, another takes its place. What
 * was on its way is lost with the socket; what can be asked for again, others ask for again.
 */
export class Line {
  /** Is called with each connection before its first message. */
  onConnection: (connection: Connection) => void = () => {};
  /** Is called when a connection is of no use any more, whether another follows or not. */
  onLost: (error: ConnectionError) => void = () => {};
  readonly #pause: Pause;
  readonly #closed = Promise.withResolvers<ConnectionError>();
  readonly #over = new AbortController();
  #connection: Connection;
  #reopen: (() => Connection) | undefined;
  #returning: Promise<void> | undefined;
  #end: ConnectionError | undefined;

  constructor(connection: Connection, pause: Pause = pauseFor) {
    this.#pause = pause;
    this.#connection = connection;
    connection.onEnd = (error) => this.#lost(error);
  }

  /** From now on, when the connection drops, one that `reopen` makes takes its place. */
  last(reopen: () => Connection): void {
    this.#reopen = reopen;
  }

  get connection(): Connection {
    return this.#connection;
  }

  /** Whether another connection takes the place of one that drops. */
  get isLasting(): boolean {
    return this.#reopen !== undefined;
  }

  /** Resolves, with the reason, when there is no connection and none will follow. Never rejects. */
  get closed(): Promise<ConnectionError> {
    return this.#closed.promise;
  }

  /** Whether there is a connection; otherwise, {@link ready} waits for one or says why there is none. */
  get isReady(): boolean {
    return this.#returning === undefined && this.#end === undefined;
  }

  /** Resolves when there is a connection. @throws {ConnectionError} when there will be none. */
  async ready(): Promise<void> {
    await this.#returning;
    if (this.#end !== undefined) throw this.#end;
  }

  /** Says goodbye and resolves when the connection has ended. */
  async close(code?: number, reason?: string): Promise<void> {
    this.#over.abort();
    await Promise.all([this.#connection.close(code, reason), this.closed]);
  }

  terminate(): void {
    this.#over.abort();
    this.#connection.terminate();
  }

  #lost(error: ConnectionError): void {
    this.onLost(error);
    const reopen = this.#isWorthReturning(error) ? this.#reopen : undefined;
    if (reopen === undefined) this.#finish(error);
    else this.#returning = this.#return(error, reopen);
  }

  /** Never rejects. */
  async #return(lost: ConnectionError, reopen: () => Connection): Promise<void> {
    const deadline = AbortSignal.timeout(limits.reconnectMs);
    const until = AbortSignal.any([deadline, this.#over.signal]);
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, lastPauseMs)) {
      const connection = reopen();
      this.#connection = connection;
      this.onConnection(connection);
      try {
        await connection.opened(until);
        connection.onEnd = (error) => this.#lost(error);
        if (connection.end !== undefined) throw connection.end;
        this.#returning = undefined;
        return;
      } catch (error) {
        if (until.aborted || isFinal(error)) return this.#finish(lost, error);
      }
      await this.#pause(pauseMs, until);
    }
  }

  #finish(end: ConnectionError, cause?: unknown): void {
    this.#returning = undefined;
    this.#end =
      cause === undefined
        ? end
        : new ConnectionError(end.code, `${end.message} Coming back failed.`, {
            ...{ cause, closeCode: end.closeCode },
            remedy: "Connect again with Sandbox.connect() when the server is reachable.",
          });
    this.#closed.resolve(this.#end);
  }

  /** Not after a goodbye, of either side. */
  #isWorthReturning({ code, closeCode: number }: ConnectionError): boolean {
    if (this.#over.signal.aborted) return false;
    return code === "CONNECTION_SILENT" || number === 1_006 || number === closeCode.serviceRestart;
  }
}

/** The sandbox is gone, say: no attempt will be answered otherwise. */
function isFinal(error: unknown): boolean {
  return error instanceof ApiError && error.status < 500 && error.status !== 429;
}

function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const stop = (): void => {
    clearTimeout(timer);
    resolve();
  };
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  return promise;
}
