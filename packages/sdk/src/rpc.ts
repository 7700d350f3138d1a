import {
  closeCode,
  RpcAnswer,
  sandboxMethods,
  ThrownError,
  type SandboxInput,
  type SandboxMethodName,
  type SandboxResult,
} from "@skerry/protocol";

import type { Connection } from "./connection.ts";
import { ConnectionError, OperationError, RpcError } from "./errors.ts";
import type { Line } from "./line.ts";
import { Streams } from "./streams.ts";

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Methods that can be told to stop by an id that the call carries. */
type AbortableMethod = "readFile" | "readTextFile" | "writeFile" | "writeTextFile" | "fetch";

/** Methods that wait for something. */
type WaitingMethod = "processWait" | "denoHttpWait" | "accept";

const waiting: ReadonlySet<SandboxMethodName> = new Set(["processWait", "denoHttpWait", "accept"]);
/** Methods that may be called again as often as one likes. */
type RepeatableMethod = WaitingMethod | "processAttach";

/** Calls the methods of a sandbox, and keeps its streams. */
export class Rpc {
  /** Is called for notifications that are not about streams; throws when one makes no sense. */
  onNotification: (method: string, params: unknown) => void = () => {};
  readonly #line: Line;
  readonly #pending = new Map<number, Pending>();
  #streams: Streams;
  #nextId = 0;
  #nextAbortId = 0;

  constructor(line: Line) {
    this.#line = line;
    this.#streams = this.#listen(line.connection);
    line.onConnection = (connection) => {
      this.#streams = this.#listen(connection);
    };
    line.onLost = (error) => {
      for (const { reject } of this.#pending.values()) reject(error);
      this.#pending.clear();
      this.#streams.end(error);
    };
  }

  /** Those of the present connection. */
  get streams(): Streams {
    return this.#streams;
  }

  /** Whether output can be kept for the time when this connection drops. */
  get canKeep(): boolean {
    return this.#line.isLasting && this.#line.connection.isBinary;
  }

  /** Resolves when there is a connection. @throws {ConnectionError} when there will be none. */
  async ready(): Promise<void> {
    await this.#line.ready();
  }

  /**
   * Calls a method of the sandbox.
   *
   * @param signal Ends the wait; what the method does in the sandbox goes on.
   * @throws {OperationError} when the sandbox refuses or fails. @throws {RpcError} when the server
   * does not understand the call. @throws {ConnectionError} when the connection ends first.
   */
  async call<M extends SandboxMethodName>(
    method: M,
    params: SandboxInput<M>,
    signal?: AbortSignal,
  ): Promise<SandboxResult<M>> {
    signal?.throwIfAborted();
    if (!this.#line.isReady) await this.ready();
    const { connection } = this.#line;
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    connection.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    this.#pending.set(id, { resolve, reject });
    const waited = isWaiting(method) ? undefined : connection.flow.wait();
    const abort = (): void => reject(signal?.reason);
    signal?.addEventListener("abort", abort);
    try {
      return valueOf(method, await promise);
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#pending.delete(id);
      waited?.();
    }
  }

  /** Like {@link call}, and calls again when the connection drops and another takes its place. */
  async callAgain<M extends RepeatableMethod>(
    method: M,
    params: SandboxInput<M>,
  ): Promise<SandboxResult<M>> {
    for (;;) {
      try {
        return await this.call(method, params);
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error;
        await this.ready();
      }
    }
  }

  /** Like {@link call}, for methods that stop in the sandbox as well when `signal` aborts. */
  async callAbortable<M extends AbortableMethod>(
    method: M,
    params: SandboxInput<M>,
    signal: AbortSignal | undefined,
  ): Promise<SandboxResult<M>> {
    if (signal === undefined) return this.call(method, params);
    signal.throwIfAborted();
    const abortId = this.#nextAbortId++;
    const abort = (): void => {
      // When it cannot be told, the connection has ended, and the method with it.
      this.call("abort", { abortId }).catch(() => {});
    };
    signal.addEventListener("abort", abort);
    try {
      return await this.call(method, { ...params, abortId }, signal);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #listen(connection: Connection): Streams {
    const streams = new Streams(connection);
    connection.onMessage = (text) => this.#receive(text);
    connection.onBinary = (message) => {
      try {
        streams.receiveBinary(message);
      } catch {
        void this.#line.close(closeCode.invalidJsonRpc, "Invalid message");
      }
    };
    return streams;
  }

  #receive(text: string): void {
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      void this.#line.close(closeCode.invalidJson, "Invalid JSON");
      return;
    }
    if (!this.#dispatch(message)) {
      void this.#line.close(closeCode.invalidJsonRpc, "Invalid message");
    }
  }

  /** Whether the message made sense. */
  #dispatch(message: unknown): boolean {
    if (typeof message !== "object" || message === null) return false;
    if ("method" in message) {
      if ("id" in message || typeof message.method !== "string") return false;
      const params = "params" in message ? message.params : undefined;
      try {
        if (!this.streams.receive(message.method, params))
          this.onNotification(message.method, params);
      } catch {
        return false; // the parameters are not what they should be
      }
      return true; // a notification that we do not know is from a newer server
    }
    const answer = RpcAnswer.safeParse(message);
    if (!answer.success) return false;
    const pending = this.#pending.get(Number(answer.data.id));
    if ("error" in answer.data) pending?.reject(RpcError.from(answer.data.error));
    else pending?.resolve(answer.data.result);
    return true; // an answer that nobody waits for any more is no fault
  }
}

/**
 * Such a wait does not count as one: the output that comes before its answer may have to be read first,
 * and a program that never serves must not be able to fill our memory.
 */
function isWaiting(method: SandboxMethodName): method is WaitingMethod {
  return waiting.has(method);
}

/** What a method gives back, from the `{ok}` or `{error}` that carries it. */
function valueOf<M extends SandboxMethodName>(method: M, result: unknown): SandboxResult<M> {
  const invalid = (cause: unknown): RpcError =>
    new RpcError("INVALID_ANSWER", `The server gave an answer to ${method} that makes no sense.`, {
      cause,
    });
  if (typeof result !== "object" || result === null) throw invalid(undefined);
  if ("error" in result) {
    const error = ThrownError.safeParse(result.error);
    throw error.success ? OperationError.from(error.data) : invalid(error.error);
  }
  const schema = sandboxMethods[method].result;
  const given = "ok" in result ? (result.ok ?? null) : null;
  const value = schema.safeParse(given);
  if (value.success) return value.data as SandboxResult<M>; // parsed by the schema the type is made of
  if (given === null && schema.safeParse(undefined).success) return undefined as SandboxResult<M>;
  throw invalid(value.error);
}
