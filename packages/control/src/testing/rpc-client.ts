import { once } from "node:events";
import type { IncomingMessage } from "node:http";

import {
  decodeBinary,
  encodeStreamCredit,
  type SandboxInput,
  type SandboxMethodName,
} from "@skerry/protocol";
import { WebSocket } from "ws";

/** A message of the server, as it came. */
export interface RpcMessage {
  readonly id?: number | string | null;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: { readonly ok?: unknown; readonly error?: Readonly<Record<string, unknown>> };
  readonly error?: {
    readonly code: number;
    readonly message: string;
    readonly data?: Readonly<Record<string, unknown>>;
  };
}

/** The server said no to the socket. */
export class Refused extends Error {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: IncomingMessage["headers"];

  constructor(response: IncomingMessage, body: string) {
    super(`${response.statusCode} ${body}`);
    this.status = response.statusCode ?? 0;
    this.body = JSON.parse(body) as Record<string, unknown>;
    this.headers = response.headers;
  }
}

/** How a test's client opens its socket. */
export interface SocketOptions {
  readonly autoPong?: boolean;
  /** Subprotocols to offer. */
  readonly protocols?: readonly string[];
}

/** A client of the sandbox socket that shows everything and hides nothing. */
export class RpcClient implements AsyncDisposable {
  readonly socket: WebSocket;
  readonly headers: IncomingMessage["headers"];
  /** Everything but `pong`, in order. */
  readonly messages: RpcMessage[] = [];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  #nextId = 0;
  #nextStream = 0;
  #wake = Promise.withResolvers<void>();

  private constructor(socket: WebSocket, headers: IncomingMessage["headers"]) {
    this.socket = socket;
    this.headers = headers;
    socket.on("error", () => {}); // `close` follows
    this.closed = once(socket, "close").then(([code, reason]) => ({
      code: Number(code),
      reason: String(reason),
    }));
    socket.on("message", (data: Buffer<ArrayBuffer>, isBinary: boolean) => {
      this.messages.push(isBinary ? messageOfBinary(data) : messageOfText(data.toString()));
      this.#changed();
    });
    socket.on("close", () => this.#changed());
  }

  /** Opens a socket. @throws {Refused} */
  static async open(
    url: string,
    headers: Readonly<Record<string, string>>,
    { protocols = [], ...options }: SocketOptions = {},
  ): Promise<RpcClient> {
    const settings = { headers, maxPayload: 256 * 1_048_576, ...options };
    const socket = new WebSocket(url, [...protocols], settings);
    const { promise, resolve, reject } = Promise.withResolvers<RpcClient>();
    socket.once("error", reject);
    socket.once("upgrade", (response) => resolve(new RpcClient(socket, response.headers)));
    socket.once("unexpected-response", (_request, response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => reject(new Refused(response, Buffer.concat(chunks).toString())));
    });
    const client = await promise;
    socket.off("error", reject);
    if (socket.readyState === WebSocket.CONNECTING) await once(socket, "open");
    return client;
  }

  get sandboxId(): string {
    return String(this.headers["x-deno-sandbox-id"]);
  }

  /** The value of `ok`; rejects with the answer when there is none. */
  async call<M extends SandboxMethodName>(method: M, params: SandboxInput<M>): Promise<unknown> {
    const message = await this.ask(method, params);
    if (message.result === undefined || !("ok" in message.result)) {
      throw Object.assign(new Error(JSON.stringify(message)), { answer: message });
    }
    return message.result.ok;
  }

  /** The answer, whatever it is. */
  async ask(method: string, params: unknown): Promise<RpcMessage> {
    const id = this.send(method, params);
    return await this.next((message) => message.id === id);
  }

  /** Sends a request and does not wait. */
  send(method: string, params: unknown): number {
    const id = this.#nextId++;
    this.socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    return id;
  }

  notify(method: string, params: unknown): void {
    this.socket.send(JSON.stringify({ jsonrpc: "2.0", method, params }));
  }

  /** Sends a whole stream. @returns its id. */
  stream(...chunks: readonly Uint8Array[]): number {
    const streamId = this.#nextStream++;
    this.notify("$sandbox.stream.start", { streamId });
    for (const chunk of chunks) this.enqueue(streamId, chunk);
    this.notify("$sandbox.stream.end", { streamId });
    return streamId;
  }

  /** Begins a stream. @returns its id. */
  startStream(): number {
    const streamId = this.#nextStream++;
    this.notify("$sandbox.stream.start", { streamId });
    return streamId;
  }

  enqueue(streamId: number, chunk: Uint8Array): void {
    const data = Buffer.from(chunk).toString("base64");
    this.notify("$sandbox.stream.enqueue", { streamId, data });
  }

  /** Says, in `skerry.v1`, that so many bytes of a stream are taken. */
  grant(streamId: number, bytes: number): void {
    this.socket.send(encodeStreamCredit(streamId, bytes));
  }

  /** What has come of a stream of the server. */
  received(streamId: unknown): Buffer {
    return Buffer.concat(
      this.messages
        .filter(isOf(streamId, "enqueue"))
        .map(({ params }) => Buffer.from(String(params?.["data"]), "base64")),
    );
  }

  /** The first message that fits, of those that came and those that come. */
  async next(fits: (message: RpcMessage) => boolean): Promise<RpcMessage> {
    for (let at = 0; ;) {
      for (; at < this.messages.length; at++) {
        const message = this.messages[at];
        if (message !== undefined && fits(message)) return message;
      }
      if (this.socket.readyState >= WebSocket.CLOSING) {
        const { code, reason } = await this.closed;
        throw new Error(`the socket closed: ${code} ${reason}`);
      }
      await this.#wake.promise;
    }
  }

  /** All bytes of a stream of the server, once it has ended. */
  async output(streamId: unknown): Promise<Buffer> {
    await this.next(isOf(streamId, "end"));
    return this.received(streamId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.close();
    await this.closed;
  }

  #changed(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers<void>();
    resolve();
  }
}

function messageOfText(text: string): RpcMessage {
  return text === "pong" ? { method: "pong" } : (JSON.parse(text) as RpcMessage);
}

/** Bytes look the same, whichever way they came. */
function messageOfBinary(data: Buffer<ArrayBuffer>): RpcMessage {
  const message = decodeBinary(data);
  const { streamId } = message;
  if (message.kind === "credit") {
    return { method: "credit", params: { streamId, credit: message.credit } };
  }
  const bytes = Buffer.from(message.bytes).toString("base64");
  return { method: "$sandbox.stream.enqueue", params: { streamId, data: bytes } };
}

/** Whether a message is this notification about this stream. */
export function isOf(streamId: unknown, kind: string): (message: RpcMessage) => boolean {
  return ({ method, params }) =>
    method === `$sandbox.stream.${kind}` && params?.["streamId"] === streamId;
}
