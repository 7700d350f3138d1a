import {
  sandboxMethods,
  thrown,
  type Guest,
  type RpcId,
  type SandboxParams,
  type SandboxMethodName,
} from "@skerry/protocol";
import type { Logger } from "pino";

import type { Call, Calls } from "./calls.ts";
import type { Repls } from "./deno/repls.ts";
import {
  failureOf,
  internalFailure,
  invalidParams,
  methodNotFound,
  type Failure,
} from "./failures.ts";
import type { FileHandles } from "./files/handles.ts";
import type {
  CallContext,
  Dialect,
  ExposeHttp,
  Handler,
  PrepareEditor,
} from "./handlers/handler.ts";
import { handlers } from "./handlers/handlers.ts";
import { Lane, untilAborted } from "./lane.ts";
import type { Listeners } from "./listeners.ts";
import type { Outbox } from "./outbox.ts";
import type { Processes } from "./processes.ts";
import type { IncomingStreams } from "./streams/incoming.ts";
import type { OutgoingStreams } from "./streams/outgoing.ts";

/** The parts of a connection that calls work with. */
export interface DispatcherOptions {
  readonly guest: Guest;
  readonly outbox: Outbox;
  readonly calls: Calls;
  readonly incoming: IncomingStreams;
  readonly outgoing: OutgoingStreams;
  readonly processes: Processes;
  readonly handles: FileHandles;
  readonly listeners: Listeners;
  readonly repls: Repls;
  readonly dialect: Dialect;
  readonly expose: ExposeHttp;
  readonly prepareEditor: PrepareEditor;
  readonly log: Logger;
  readonly traceId: string;
}

/** Runs the calls of one connection, at the same time, and answers each once. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #greatFiles = new Lane();

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** @param bytes The size of the message, for the connection's account. */
  dispatch(id: RpcId | null, method: string, params: unknown, bytes: number): void {
    const { calls, outbox } = this.#options;
    let call: Call;
    try {
      if (!isMethod(method)) throw methodNotFound();
      call = calls.begin(id, method, bytes);
    } catch (error) {
      this.#abandonStreams(params);
      const refusal = this.#failureOf(error, method);
      if (id !== null) outbox.send(encodeFailure(id, refusal));
      return;
    }
    void this.#run(call, method, params);
  }

  /** Never rejects: whatever happens is the answer. */
  async #run<M extends SandboxMethodName>(call: Call, method: M, params: unknown): Promise<void> {
    const { calls, outbox } = this.#options;
    const answer = await this.#answer(call, method, params);
    if (call.id !== null) await outbox.answer(answer);
    calls.end(call);
  }

  async #answer<M extends SandboxMethodName>(
    call: Call,
    method: M,
    params: unknown,
  ): Promise<string> {
    try {
      const handler = handlers[method] as Handler<M>; // the table's type has one for each method
      const context = this.#contextOf(call);
      const result = await untilAborted(handler(this.#parse(method, params), context), call.signal);
      return JSON.stringify({ jsonrpc: "2.0", id: call.id, result: { ok: result ?? null } });
    } catch (error) {
      return encodeFailure(call.id, this.#failureOf(error, method));
    }
  }

  #parse<M extends SandboxMethodName>(method: M, params: unknown): SandboxParams<M> {
    const parsed = sandboxMethods[method].params.safeParse(params ?? {});
    if (parsed.success) return parsed.data as SandboxParams<M>; // of the schema of M
    this.#abandonStreams(params);
    throw invalidParams(parsed.error.issues);
  }

  #contextOf(call: Call): CallContext {
    const { signal } = call;
    return { ...this.#options, call, signal, greatFiles: this.#greatFiles };
  }

  /** A refused call's streams are of no use to anybody. */
  #abandonStreams(params: unknown): void {
    if (typeof params !== "object" || params === null) return;
    const reason = thrown("Error", "the call that names the stream was refused", null);
    for (const [name, value] of Object.entries(params)) {
      if (streamFields.has(name) && typeof value === "number") {
        this.#options.incoming.abandon(value, reason);
      }
    }
  }

  #failureOf(error: unknown, method: string): Failure {
    const failure = failureOf(error);
    if (failure !== null) return failure;
    const { log, traceId } = this.#options;
    log.error({ err: error, method }, "call failed for a reason of the server's");
    return internalFailure(traceId);
  }
}

const streamFields: ReadonlySet<string> = new Set([
  "stdinStreamId",
  "inputStreamId",
  "contentStreamId",
  "bodyStreamId",
]);

function isMethod(method: string): method is SandboxMethodName {
  return Object.hasOwn(handlers, method);
}

function encodeFailure(id: RpcId | null, failure: Failure): string {
  const { error } = failure;
  return JSON.stringify(
    failure.kind === "rpc"
      ? { jsonrpc: "2.0", id, error }
      : { jsonrpc: "2.0", id, result: { error } },
  );
}
