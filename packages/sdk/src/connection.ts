import type { IncomingMessage } from "node:http";

import { closeCode, headers, keepAlive, limits, subprotocols } from "@skerry/protocol";
import { WebSocket, type ClientOptions } from "ws";

import { apiErrorOf } from "./api-error.ts";
import { ConnectionError } from "./errors.ts";
import { Flow } from "./flow.ts";

/** Time between two pings. */
const pingEveryMs = 2_000;
/** Pings without a sign of life from the server after which it is taken for dead. */
const silentPingsMax = Math.ceil(limits.clientSilenceMaxMs / pingEveryMs);
/** Time for the server to answer a close. */
const closeMs = 5_000;
/** Bytes on their way before a sender waits: more than the server takes at once, so that it never idles. */
const sendBacklogBytesMax = 4 * limits.clientBacklogBytesMax;
/** One message: the largest file that may come whole, where each byte may be an escape of six. */
const messageBytesMax = limits.readFileBytesMax * 6 + 1_048_576;

/** Calls `run` every `ms` until the returned function is called. */
export type Every = (ms: number, run: () => void) => () => void;

export interface ConnectionOptions {
  /** `ws://` or `wss://` */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Default `"binary"`, where the server has it. */
  readonly encoding?: "binary" | "json" | undefined;
  readonly every?: Every;
}

/**
 * A WebSocket to a sandbox that notices when the server is gone. It starts to connect when it is
 * made, so that whoever handles messages can be in place before the first one arrives.
 */
export class Connection {
  /** Is called with each text message, in order. */
  onMessage: (text: string) => void = () => {};
  /** Is called with each binary message, in order. */
  onBinary: (message: Uint8Array<ArrayBuffer>) => void = () => {};
  /** Is called once, when no message will come and none can be sent any more. */
  onEnd: (error: ConnectionError) => void = () => {};
  readonly flow: Flow;

  readonly #socket: WebSocket;
  readonly #opened = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<ConnectionError>();
  readonly #every: Every;
  #failure: Error | undefined;
  #end: ConnectionError | undefined;
  #isClosing = false;
  #silentPings = 0;
  #stopPings: () => void = () => {};
  #handshake: Readonly<Record<string, unknown>> = {};

  constructor(options: ConnectionOptions) {
    this.#every = options.every ?? everyInterval;
    const settings: ClientOptions & { readonly closeTimeout: number } = {
      headers: { ...options.headers },
      handshakeTimeout: limits.createMs,
      closeTimeout: closeMs, // not in the types yet
      maxPayload: messageBytesMax,
      perMessageDeflate: false,
    };
    const { binary, json } = subprotocols;
    const offered = options.encoding === "json" ? [json] : [binary, json];
    this.#socket = new WebSocket(options.url, offered, settings);
    this.flow = new Flow(this.#socket);
    this.#opened.promise.catch(() => {}); // whoever awaits it gets it; it may be that nobody does
    this.#socket.on("upgrade", (response) => (this.#handshake = response.headers));
    this.#socket.on("unexpected-response", (_request, response) => void this.#refused(response));
    this.#socket.on("open", () => this.#open());
    this.#socket.on("message", (data, isBinary) => {
      this.#silentPings = 0;
      if (isBinary) this.onBinary(data as Buffer<ArrayBuffer>);
      else this.#message((data as Buffer).toString());
    });
    this.#socket.on("error", (error) => (this.#failure ??= error));
    this.#socket.on("close", (code, reason) => this.#ended(code, String(reason)));
  }

  /**
   * Resolves when the server has accepted the connection.
   *
   * @throws {ApiError} when the server refuses. @throws {ConnectionError} when there is none.
   */
  async opened(signal?: AbortSignal): Promise<void> {
    const abort = (): void => {
      this.#opened.reject(signal?.reason);
      this.terminate();
    };
    if (signal?.aborted === true) abort();
    signal?.addEventListener("abort", abort);
    try {
      await this.#opened.promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /** The id in the server's handshake, unchecked. */
  get sandboxId(): unknown {
    return this.#handshake[headers.sandboxId];
  }

  get traceId(): string | undefined {
    const id = this.#handshake[headers.traceId];
    return typeof id === "string" ? id : undefined;
  }

  /** Whether the server has agreed to `skerry.v1`. */
  get isBinary(): boolean {
    return this.#socket.protocol === subprotocols.binary;
  }

  /** Resolves, with the reason, when the connection has ended. Never rejects. */
  get closed(): Promise<ConnectionError> {
    return this.#closed.promise;
  }

  /** Why the connection is of no use any more, once that is so. */
  get end(): ConnectionError | undefined {
    return this.#end;
  }

  /** Queues a message. @throws {ConnectionError} when the connection has ended. */
  send(message: string | Uint8Array): void {
    if (this.#end !== undefined) throw this.#end;
    this.#socket.send(message);
  }

  /**
   * Like {@link send}, and resolves when there is room for more: for those who have much to say.
   *
   * @throws {ConnectionError} when the connection has ended.
   */
  async sendPaced(message: string | Uint8Array): Promise<void> {
    if (this.#end !== undefined) throw this.#end;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.send(message, () => resolve()); // an error is followed by the end of the connection
    if (this.#socket.bufferedAmount > sendBacklogBytesMax) await promise;
  }

  /** Says goodbye and resolves when the connection has ended. */
  async close(code: number = closeCode.normal, reason?: string): Promise<void> {
    this.#isClosing = true;
    this.flow.release();
    this.#socket.close(code, reason);
    await this.#closed.promise;
  }

  /** Ends the connection without a goodbye. */
  terminate(): void {
    this.#isClosing = true;
    this.flow.release();
    this.#socket.terminate();
  }

  #open(): void {
    this.#stopPings = this.#every(pingEveryMs, () => this.#ping());
    this.#opened.resolve();
  }

  #ping(): void {
    if (this.flow.isPaused) {
      this.#silentPings = 0; // it is we who do not listen
    } else if (this.#silentPings >= silentPingsMax) {
      const seconds = (silentPingsMax * pingEveryMs) / 1_000;
      this.#end = new ConnectionError(
        "CONNECTION_SILENT",
        `The server has not been heard of for ${seconds} seconds.`,
        { remedy: "Check that the server runs and that the network to it works." },
      );
      this.terminate();
      return;
    } else {
      this.#silentPings += 1;
    }
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(keepAlive.ping);
  }

  #message(text: string): void {
    if (text !== keepAlive.pong) this.onMessage(text);
  }

  async #refused(response: IncomingMessage): Promise<void> {
    const answer = { status: response.statusCode ?? 0, traceId: response.headers[headers.traceId] };
    try {
      this.#failure = apiErrorOf(answer, await bodyOf(response));
    } catch (error) {
      this.#failure = apiErrorOf(answer, "", { cause: error });
    }
    this.#opened.reject(this.#failure);
    this.terminate();
  }

  #ended(code: number, reason: string): void {
    this.#stopPings();
    this.#end ??= this.#endOf(code, reason);
    this.#opened.reject(
      new ConnectionError("CONNECTION_FAILED", `Cannot connect to ${this.#origin}.`, {
        cause: this.#failure ?? this.#end,
        remedy: "Check the address, and that the server runs (`skerry doctor` on its host).",
      }),
    );
    this.onEnd(this.#end);
    this.#closed.resolve(this.#end);
  }

  #endOf(code: number, reason: string): ConnectionError {
    const why = reason === "" ? `code ${code}` : `code ${code}: ${reason}`;
    return new ConnectionError(
      "CONNECTION_CLOSED",
      this.#isClosing
        ? "The connection to the sandbox was closed by this client."
        : `The connection to the sandbox was closed by the server (${why}).`,
      { closeCode: code, cause: this.#failure },
    );
  }

  get #origin(): string {
    return new URL(this.#socket.url).origin;
  }
}

function everyInterval(ms: number, run: () => void): () => void {
  const timer = setInterval(run, ms);
  return () => clearInterval(timer);
}

/** The beginning of a response's body: more than any error needs. */
async function bodyOf(response: IncomingMessage): Promise<string> {
  let text = "";
  response.setEncoding("utf8");
  for await (const chunk of response) {
    text += String(chunk);
    if (text.length > 65_536) break;
  }
  return text;
}
