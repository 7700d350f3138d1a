import { randomInt } from "node:crypto";

import {
  encodeStreamData,
  GuestError,
  limits,
  SandboxError,
  StreamCredit,
  thrown,
  type ByteStream,
} from "@skerry/protocol";

import { failureOf, tooMuch } from "../failures.ts";
import type { KeptOutput } from "../kept/kept-output.ts";
import type { Outbox } from "../outbox.ts";

/**
 * Ids of the server's streams are unique in the whole process, since the official client keeps the
 * streams of all its sandboxes in one map; the random start keeps them apart over restarts.
 */
let lastStreamId = randomInt(2 ** 47);

/** How a stream is sent. */
export interface StreamOptions {
  /** Nothing is sent before it settles. */
  readonly ready?: Promise<void>;
  /** Ends what makes the bytes, when nobody wants them any more. */
  readonly stop?: (() => void) | undefined;
  /** Where the bytes are held until the client has taken them. */
  readonly kept?: KeptOutput | undefined;
}

interface OpenStream {
  readonly iterator: AsyncIterator<Uint8Array>;
  /** Of a `skerry.v1` client. */
  readonly credit: StreamCredit | null;
  readonly stop: (() => void) | undefined;
  readonly kept: KeptOutput | undefined;
}

/**
 * The streams that one client receives: output of processes. Bytes are taken from the guest only
 * when there is room for them in the {@link Outbox}, so that the client's pace is the guest's pace.
 */
export class OutgoingStreams {
  readonly #outbox: Outbox;
  readonly #isBinary: boolean;
  readonly #open = new Map<number, OpenStream>();
  readonly #unwanted = new Set<number>();
  /** Sent whole, and not taken whole. */
  readonly #untaken = new Map<number, KeptOutput>();
  #isClosed = false;

  /** @param isBinary Whether the client speaks `skerry.v1`. */
  constructor(outbox: Outbox, isBinary = false) {
    this.#outbox = outbox;
    this.#isBinary = isBinary;
  }

  /** Whether the client says what it has taken, so that bytes can be kept for it. */
  get canKeep(): boolean {
    return this.#isBinary;
  }

  /** @throws {CallFailure} when `count` more streams would be too many. */
  ensureRoom(count: number): void {
    if (this.#open.size + count <= limits.clientStreamsMax) return;
    throw tooMuch("TOO_MANY_STREAMS", `More than ${limits.clientStreamsMax} open streams.`);
  }

  /**
   * Announces a stream and sends what `source` yields.
   *
   * @returns the stream's id.
   */
  open(source: ByteStream, { ready = Promise.resolve(), stop, kept }: StreamOptions = {}): number {
    const id = ++lastStreamId;
    const credit = this.#isBinary ? new StreamCredit() : null;
    const stream = { iterator: source[Symbol.asyncIterator](), stop, credit, kept };
    if (this.#isClosed) {
      stopEarly(stream);
      return id;
    }
    this.#open.set(id, stream);
    this.#notify("start", id);
    void this.#pump(id, stream, ready);
    return id;
  }

  /**
   * The client wants no more of a stream. What cannot be stopped goes on, and its bytes are thrown
   * away as they come: the process that writes them goes on, and so do its other streams.
   */
  cancel(id: number): void {
    const stream = this.#open.get(id);
    if (stream === undefined) return;
    this.#unwanted.add(id);
    stream.credit?.release();
    stream.stop?.();
    stream.kept?.letGo();
  }

  /** The client has taken some of a stream, and has room for as much again. */
  grant(id: number, bytes: number): void {
    const stream = this.#open.get(id);
    stream?.credit?.grant(bytes);
    const kept = stream?.kept ?? this.#untaken.get(id);
    kept?.taken(bytes);
    if (kept?.isDone === true) this.#untaken.delete(id);
  }

  /** The client is gone, for streams that are opened later too. */
  closeAll(): void {
    this.#isClosed = true;
    for (const stream of this.#open.values()) stopEarly(stream);
    this.#open.clear();
    this.#untaken.clear();
  }

  /** Never rejects: how the stream ends is the client's to know. */
  async #pump(id: number, { iterator, credit }: OpenStream, ready: Promise<void>): Promise<void> {
    try {
      await ready;
      for (;;) {
        const next = await iterator.next();
        if (!this.#open.has(id)) return;
        if (next.done === true) break;
        if (credit === null) await this.#sendText(id, next.value);
        else await this.#sendBinary(id, next.value, credit);
      }
      this.#finish("end", id);
    } catch (error) {
      this.#finish("error", id, streamError(error));
    }
  }

  #finish(kind: "end" | "error", id: number, error?: object): void {
    const kept = this.#open.get(id)?.kept;
    if (!this.#open.delete(id) || this.#unwanted.delete(id)) return;
    if (kept?.isDone === false) this.#untaken.set(id, kept);
    this.#notify(kind, id, error);
  }

  async #sendBinary(id: number, chunk: Uint8Array, credit: StreamCredit): Promise<void> {
    const most = limits.binaryChunkBytesMax;
    for (let at = 0; at < chunk.length; at += most) {
      const piece = chunk.subarray(at, at + most);
      await credit.take(piece.length);
      if (!this.#open.has(id) || this.#unwanted.has(id)) return;
      await this.#outbox.reserve(piece.length);
      if (!this.#open.has(id) || this.#unwanted.has(id)) {
        return this.#outbox.giveBack(piece.length);
      }
      this.#outbox.sendReserved(encodeStreamData(id, piece), piece.length, true);
    }
  }

  async #sendText(id: number, chunk: Uint8Array): Promise<void> {
    const most = limits.streamChunkBytesMax;
    for (let at = 0; at < chunk.length; at += most) {
      if (this.#unwanted.has(id)) return;
      const message = enqueueMessage(id, chunk.subarray(at, at + most));
      await this.#outbox.reserve(message.length);
      if (!this.#open.has(id) || this.#unwanted.has(id)) {
        return this.#outbox.giveBack(message.length);
      }
      this.#outbox.sendReserved(message, message.length, false);
    }
  }

  #notify(kind: "start" | "end" | "error", streamId: number, error?: unknown): void {
    const params = { streamId, ...(kind === "error" && { error }) };
    const method = `$sandbox.stream.${kind}`;
    this.#outbox.send(JSON.stringify({ jsonrpc: "2.0", method, params }));
  }
}

/** The message as bytes, without a detour over a long string: this is where bulk output passes. */
function enqueueMessage(streamId: number, chunk: Uint8Array): Buffer {
  const head = `{"jsonrpc":"2.0","method":"$sandbox.stream.enqueue","params":{"streamId":${streamId},"data":"`;
  const data = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString("base64");
  const message = Buffer.allocUnsafe(head.length + data.length + 3);
  message.write(head, 0, "latin1");
  message.write(data, head.length, "latin1");
  message.write('"}}', head.length + data.length, "latin1");
  return message;
}

function streamError(error: unknown): object {
  const failure = failureOf(error);
  if (failure?.kind === "thrown") return failure.error;
  const isKnown = error instanceof GuestError || error instanceof SandboxError;
  return thrown("Error", isKnown ? error.message : "The stream failed.", null);
}

/** Tells the source to stop. It may still wait for bytes that never come, so nobody waits for it. */
function stopEarly({ iterator, stop, credit }: OpenStream): void {
  credit?.release();
  stop?.();
  void iterator.return?.().catch(() => {
    // The stream is unwanted: how its end went changes nothing for anybody.
  });
}
