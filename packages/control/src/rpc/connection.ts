import {
  closeCode,
  decodeBinary,
  encodeStreamCredit,
  FrameError,
  keepAlive,
  limits,
  RpcIncoming,
  subprotocols,
  type ThrownError,
} from "@skerry/protocol";
import type { Logger } from "pino";
import type { RawData, WebSocket } from "ws";

import type { Clock } from "../clock.ts";
import type { Sandbox } from "../sandboxes/sandbox.ts";
import type { SandboxClient } from "../sandboxes/spec.ts";
import { Calls } from "./calls.ts";
import { Repls } from "./deno/repls.ts";
import { Dispatcher } from "./dispatcher.ts";
import { sandboxEnded } from "./failures.ts";
import { FileHandles } from "./files/handles.ts";
import type { Dialect, ExposeHttp, PrepareEditor } from "./handlers/handler.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Intake } from "./intake.ts";
import { Listeners } from "./listeners.ts";
import { handleNotification } from "./notifications.ts";
import { Outbox } from "./outbox.ts";
import { Processes } from "./processes.ts";
import { IncomingStreams, type CancelStream, type GrantCredit } from "./streams/incoming.ts";
import { OutgoingStreams } from "./streams/outgoing.ts";

/** Who is connected to what. */
export interface ConnectionOptions {
  readonly sandbox: Sandbox;
  readonly clock: Clock;
  readonly log: Logger;
  readonly traceId: string;
  /** Whether this connection created the sandbox, so that a session ends with it. */
  readonly isOwner: boolean;
  readonly dialect: Dialect;
  readonly expose: ExposeHttp;
  /** Is told what programs do, in the place of the sandbox. */
  readonly record?: Sandbox["record"] | undefined;
  readonly prepareEditor: PrepareEditor;
  /** Bytes that have arrived from the client so far. */
  readonly received: () => number;
}

/**
 * One client on the socket of one sandbox: reads messages, hands calls to the {@link Dispatcher} and
 * bytes to the streams, and notices when the client is gone.
 */
export class Connection implements SandboxClient {
  readonly #socket: WebSocket;
  readonly #options: ConnectionOptions;
  readonly #outbox: Outbox;
  readonly #heartbeat: Heartbeat;
  readonly #intake: Intake;
  readonly #calls: Calls;
  readonly #isBinary: boolean;
  readonly #incoming: IncomingStreams;
  readonly #outgoing: OutgoingStreams;
  readonly #processes: Processes;
  readonly #handles: FileHandles;
  readonly #listeners: Listeners;
  readonly #repls = new Repls();
  readonly #dispatcher: Dispatcher;
  readonly #openedAtMs: number;
  #isSilent = false;
  #cutOff: Disposable | null = null;

  constructor(socket: WebSocket, options: ConnectionOptions) {
    const { sandbox, clock, log, traceId } = options;
    this.#socket = socket;
    this.#options = options;
    this.#openedAtMs = clock.now();
    this.#outbox = new Outbox(socket, {
      onOverflow: () => this.#terminate("client does not read"),
      onTaken: () => this.#heartbeat.heard(), // slowly, perhaps, but it reads
    });
    this.#heartbeat = new Heartbeat({
      ...{ clock, silenceMaxMs: limits.clientSilenceMaxMs, pingEveryMs: limits.clientPingMs },
      received: options.received,
      ping: () => socket.ping(),
      onSilent: () => {
        this.#isSilent = true;
        this.#terminate("client is silent");
      },
    });
    this.#intake = new Intake(socket, clock, limits.inputStuckMs, (isPaused) =>
      isPaused ? this.#heartbeat.pause() : this.#heartbeat.resume(),
    );
    this.#calls = new Calls(this.#intake);
    this.#isBinary = socket.protocol === subprotocols.binary;
    const grant: GrantCredit = (id, bytes) =>
      this.#outbox.sendBinary(encodeStreamCredit(id, bytes));
    const cancel: CancelStream = (id, reason) => this.#cancel(id, reason);
    this.#incoming = new IncomingStreams(this.#intake, cancel, this.#isBinary ? grant : undefined);
    this.#outgoing = new OutgoingStreams(this.#outbox, this.#isBinary);
    const record = options.record ?? sandbox.record.bind(sandbox);
    this.#processes = new Processes({ guest: sandbox.guest, clock, record });
    this.#handles = new FileHandles(sandbox.guest);
    this.#listeners = new Listeners();
    this.#dispatcher = new Dispatcher({
      ...{ handles: this.#handles, listeners: this.#listeners, repls: this.#repls },
      dialect: options.dialect,
      ...{ expose: options.expose, prepareEditor: options.prepareEditor },
      ...{ guest: sandbox.guest, outbox: this.#outbox, calls: this.#calls, log, traceId },
      ...{ incoming: this.#incoming, outgoing: this.#outgoing, processes: this.#processes },
    });
    this.#listen();
  }

  /** The sandbox has ended: fails what waits and closes the socket. */
  end(code: number, reason: string): void {
    this.#calls.failAll(sandboxEnded(reason));
    // The failed calls answer in the next turns of the queue; the socket sends in order.
    setImmediate(() => this.#close(code, reason));
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on("message", (data: RawData, isBinary: boolean) => {
      this.#heartbeat.heard();
      this.#processes.heard();
      this.#onMessage(data, isBinary);
    });
    socket.on("ping", () => this.#heartbeat.heard());
    socket.on("pong", () => this.#heartbeat.heard());
    socket.on("error", (error) => this.#options.log.debug({ err: error }, "socket failed"));
    socket.on("close", (code: number) => this.#onClose(code));
    const { sandbox, isOwner } = this.#options;
    sandbox.record("connected", { isOwner });
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    if (this.#cutOff !== null) return; // the socket is closing
    if (isBinary) return this.#onBinary(data);
    const text = textOf(data);
    if (text === keepAlive.ping) return this.#outbox.send(keepAlive.pong);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return this.#close(closeCode.invalidJson, "Invalid JSON");
    }
    const message = RpcIncoming.safeParse(value);
    if (!message.success) return this.#close(closeCode.invalidJsonRpc, "Invalid JSON-RPC message");
    const { id, method, params } = message.data;
    if (method.startsWith("$")) {
      const isClear = handleNotification(method, params, this.#incoming, this.#outgoing);
      if (!isClear) this.#close(closeCode.invalidJsonRpc, `Invalid params of ${method}`);
      return;
    }
    this.#dispatcher.dispatch(id ?? null, method, params, text.length);
  }

  #onBinary(data: RawData): void {
    if (!this.#isBinary) {
      return this.#close(closeCode.invalidJson, "Binary messages mean nothing here");
    }
    try {
      const message = decodeBinary(bytesOf(data));
      if (message.kind === "data") this.#incoming.receive(message.streamId, message.bytes);
      else this.#outgoing.grant(message.streamId, message.credit);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#close(closeCode.invalidJsonRpc, error.message);
    }
  }

  #cancel(streamId: number, reason: ThrownError): void {
    const params = { streamId, reason };
    this.#outbox.send(JSON.stringify({ jsonrpc: "2.0", method: "$sandbox.stream.cancel", params }));
  }

  #close(code: number, reason: string): void {
    if (this.#cutOff !== null) return;
    this.#cutOff = this.#options.clock.setTimer(limits.clientCloseMs, () =>
      this.#socket.terminate(),
    );
    this.#intake[Symbol.dispose]();
    this.#outgoing.closeAll();
    this.#socket.close(code, reason.slice(0, 120));
  }

  #terminate(why: string): void {
    this.#options.log.info({ why }, "connection cut off");
    this.#intake[Symbol.dispose]();
    this.#socket.terminate();
  }

  #onClose(code: number): void {
    const { sandbox, isOwner, log, clock } = this.#options;
    this.#cutOff?.[Symbol.dispose]();
    this.#heartbeat[Symbol.dispose]();
    this.#intake[Symbol.dispose]();
    this.#calls.failAll(sandboxEnded("the client has disconnected"));
    this.#incoming.closeAll();
    this.#outgoing.closeAll();
    this.#processes.detachAll();
    this.#handles.closeAll();
    this.#listeners.closeAll();
    this.#repls.closeAll();
    sandbox.detach(this);
    sandbox.record("disconnected", { code, isOwner });
    log.info({ code, isOwner, durationMs: clock.now() - this.#openedAtMs }, "connection closed");
    if (isOwner) sandbox.request({ kind: "owner-lost", silent: this.#isSilent });
  }
}

function bytesOf(data: RawData): Uint8Array<ArrayBuffer> {
  const bytes = Array.isArray(data) ? Buffer.concat(data) : data;
  return bytes instanceof ArrayBuffer
    ? new Uint8Array(bytes)
    : new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length); // of ws, never shared
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString("utf8");
  return Buffer.isBuffer(data) ? data.toString("utf8") : Buffer.from(data).toString("utf8");
}
