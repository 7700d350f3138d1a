import {
  decodeBinary,
  encodeStreamCredit,
  encodeStreamData,
  streamNotifications,
  thrown,
  ThrownError,
  type StreamNotification,
} from "@skerry/protocol";

import { decodeBase64, encodeBase64 } from "./base64.ts";
import type { Connection } from "./connection.ts";
import { OperationError } from "./errors.ts";
import { IncomingStream } from "./incoming-stream.ts";
import {
  OutgoingStream,
  Upload,
  writableOf,
  type ByteSource,
  type OutgoingWire,
} from "./outgoing-stream.ts";

/** The byte streams of one connection, in both directions. */
export class Streams {
  readonly #connection: Connection;
  readonly #outgoing = new Map<number, OutgoingStream>();
  /** From the first mention of a stream, by the server or by us, until it is taken and has ended. */
  readonly #incoming = new Map<number, IncomingStream>();
  #nextId = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Whether `method` was one of ours; if so, its parameters are dealt with. */
  receive(method: string, params: unknown): boolean {
    if (!isStreamNotification(method)) return false;
    switch (method) {
      case "$sandbox.stream.start":
        this.#start(streamNotifications[method].parse(params).streamId);
        break;
      case "$sandbox.stream.enqueue": {
        const { streamId, data } = streamNotifications[method].parse(params);
        this.#incoming.get(streamId)?.push(decodeBase64(data)); // none: it was cancelled
        break;
      }
      case "$sandbox.stream.end":
        this.#finish(streamNotifications[method].parse(params).streamId, (stream) => stream.end());
        break;
      case "$sandbox.stream.error": {
        const { streamId, error } = streamNotifications[method].parse(params);
        this.#finish(streamId, (stream) => stream.fail(errorOf(error)));
        break;
      }
      case "$sandbox.stream.cancel": {
        const { streamId, reason } = streamNotifications[method].parse(params);
        this.#outgoing.get(streamId)?.cancel(errorOf(reason));
        break;
      }
    }
    return true;
  }

  /** A binary message of `skerry.v1`. @throws {FrameError} when it makes no sense, or breaks the credit. */
  receiveBinary(bytes: Uint8Array<ArrayBuffer>): void {
    const message = decodeBinary(bytes);
    if (message.kind === "credit") {
      this.#outgoing.get(message.streamId)?.credit?.grant(message.credit);
      return;
    }
    const stream = this.#incoming.get(message.streamId);
    if (stream === undefined) return; // it was cancelled
    stream.allowance.arrived(message.bytes.length);
    stream.push(new Uint8Array(message.bytes)); // its reader gets the buffer, which may hold other messages
  }

  /** The stream that the server calls `streamId`. */
  take(streamId: number): ReadableStream<Uint8Array<ArrayBuffer>> {
    const stream = this.#incoming.get(streamId) ?? this.#open(streamId);
    stream.isTaken = true;
    if (stream.isFinished) this.#incoming.delete(streamId);
    return stream.readable;
  }

  /** Sends what `source` yields, by itself. */
  upload(source: ByteSource): Upload {
    return new Upload(this.#send(), source);
  }

  /** A stream that the caller writes to. */
  writable(): { readonly id: number; readonly writable: WritableStream<Uint8Array> } {
    const stream = this.#send();
    return { id: stream.id, writable: writableOf(stream) };
  }

  /** The connection is gone, and every stream with it. */
  end(error: Error): void {
    for (const stream of this.#incoming.values()) stream.fail(error);
    for (const stream of [...this.#outgoing.values()]) stream.cancel(error);
    this.#incoming.clear();
  }

  #send(): OutgoingStream {
    const id = this.#nextId++;
    const { isBinary } = this.#connection;
    const stream = new OutgoingStream(id, this.#wire, () => this.#outgoing.delete(id), isBinary);
    this.#notify("$sandbox.stream.start", { streamId: id });
    this.#outgoing.set(id, stream);
    return stream;
  }

  #start(streamId: number): void {
    const stream = this.#incoming.get(streamId) ?? this.#open(streamId);
    stream.isStarted = true;
    if (stream.isCancelled) this.#incoming.delete(streamId);
  }

  #open(streamId: number): IncomingStream {
    const unread = (bytes: number): void => this.#unread(streamId, stream, bytes);
    const stream: IncomingStream = new IncomingStream(unread, (reason) => {
      // Before its start, a cancelled stream is kept, so that the start does not make a new one.
      if (stream.isStarted) this.#incoming.delete(streamId);
      if (this.#connection.end !== undefined) return;
      this.#notify("$sandbox.stream.cancel", { streamId, reason: thrownOf(reason) });
    });
    this.#incoming.set(streamId, stream);
    return stream;
  }

  /** With credit of its own a stream is bounded by that, else the whole connection has to wait. */
  #unread(streamId: number, stream: IncomingStream, bytes: number): void {
    if (!this.#connection.isBinary) return this.#connection.flow.addUnread(bytes);
    if (bytes > 0) return;
    this.#grant(streamId, stream.allowance.taken(-bytes));
    this.#confirmEnd(streamId, stream);
  }

  /** Once a stream is taken to its end, whoever keeps it may let it go. */
  #confirmEnd(streamId: number, stream: IncomingStream): void {
    if (stream.isFinished && stream.isDrained) this.#grant(streamId, stream.allowance.rest());
  }

  #grant(streamId: number, credit: number): void {
    if (credit === 0 || this.#connection.end !== undefined) return;
    this.#connection.send(encodeStreamCredit(streamId, credit));
  }

  #finish(streamId: number, act: (stream: IncomingStream) => void): void {
    const stream = this.#incoming.get(streamId);
    if (stream === undefined) return; // it was cancelled
    act(stream);
    this.#confirmEnd(streamId, stream);
    if (stream.isTaken) this.#incoming.delete(streamId);
  }

  readonly #wire: OutgoingWire = {
    enqueue: (streamId, bytes) =>
      this.#connection.sendPaced(
        this.#connection.isBinary
          ? encodeStreamData(streamId, bytes)
          : notification("$sandbox.stream.enqueue", { streamId, data: encodeBase64(bytes) }),
      ),
    end: (streamId) => this.#notify("$sandbox.stream.end", { streamId }),
    error: (streamId, error) => {
      if (this.#connection.end !== undefined) return; // there is nobody to tell
      this.#notify("$sandbox.stream.error", { streamId, error: thrownOf(error) });
    },
  };

  #notify(method: StreamNotification, params: object): void {
    this.#connection.send(notification(method, params));
  }
}

function isStreamNotification(method: string): method is StreamNotification {
  return Object.hasOwn(streamNotifications, method);
}

function notification(method: StreamNotification, params: object): string {
  return JSON.stringify({ jsonrpc: "2.0", method, params });
}

function thrownOf(error: unknown): ThrownError {
  return error instanceof Error
    ? thrown(error.name, error.message, null)
    : thrown("Error", String(error), null);
}

function errorOf(value: unknown): Error {
  const parsed = ThrownError.safeParse(value);
  return parsed.success
    ? OperationError.from(parsed.data)
    : new OperationError("Error", "The other side ended the stream.", null);
}
