import { limits, thrown, type ThrownError } from "@skerry/protocol";

import { invalidParams, tooMuch } from "../failures.ts";
import type { Intake } from "../intake.ts";
import { IncomingStream } from "./incoming-stream.ts";

/** Tells the client that nobody wants the rest of one of its streams. */
export type CancelStream = (streamId: number, reason: ThrownError) => void;

/** Tells the client that a stream has room for so many bytes more. */
export type GrantCredit = (streamId: number, bytes: number) => void;

/**
 * The streams that one client sends: stdin of processes, content of files. A stream may begin before
 * the call that names it. One with a slow reader pauses the socket; one that nobody reads, or whose
 * reader is stuck, is cancelled when it has grown too great.
 */
export class IncomingStreams {
  readonly #streams = new Map<number, IncomingStream>();
  /** Streams that nobody reads any more, of which the client learns when it sends the next bytes. */
  readonly #retired = new Map<number, ThrownError>();
  readonly #intake: Intake;
  readonly #cancel: CancelStream;
  readonly #grant: GrantCredit | undefined;
  #closed: ThrownError | null = null;

  /** @param grant For a client that speaks `skerry.v1`: tells it of room for more. */
  constructor(intake: Intake, cancel: CancelStream, grant?: GrantCredit) {
    this.#intake = intake;
    this.#cancel = cancel;
    this.#grant = grant;
  }

  /** `$sandbox.stream.start` */
  start(id: number): void {
    if (this.#streams.has(id)) return;
    if (this.#streams.size >= limits.clientStreamsMax) {
      this.#cancel(id, thrown("Error", `more than ${limits.clientStreamsMax} open streams`, null));
      return;
    }
    this.#add(id);
  }

  /** DATA of `skerry.v1`. @throws {FrameError} when there is more than the client may send. */
  receive(id: number, chunk: Uint8Array): void {
    this.#streams.get(id)?.allowance.arrived(chunk.length);
    this.enqueue(id, chunk);
  }

  /** `$sandbox.stream.enqueue`; bytes of a stream that is over are thrown away. */
  enqueue(id: number, chunk: Uint8Array): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return this.#refuseRetired(id);
    if (stream.isEnded) return;
    if (!stream.hasReader || this.#intake.isStuck(stream)) {
      if (stream.bytes > limits.inputStuckBytesMax) return this.#giveUp(stream);
      if (this.#totalBytes() > limits.inputTotalBytesMax) this.#giveUp(this.#greatest());
    }
    stream.push(chunk);
    if (stream.hasReader && stream.bytes > limits.inputBacklogBytesMax) this.#intake.hold(stream);
  }

  /** `$sandbox.stream.end` */
  end(id: number): void {
    this.#retired.delete(id);
    this.#streams.get(id)?.finish(null);
  }

  /** `$sandbox.stream.error` */
  fail(id: number, error: ThrownError): void {
    this.#retired.delete(id);
    this.#streams.get(id)?.finish(error);
  }

  /**
   * Gives the stream to a call, which has to {@link release} it.
   *
   * @throws {CallFailure} when another call has it.
   */
  claim(id: number): IncomingStream {
    const stream = this.#streams.get(id);
    if (stream === undefined && this.#streams.size >= limits.clientStreamsMax) {
      throw tooMuch("TOO_MANY_STREAMS", `More than ${limits.clientStreamsMax} open streams.`);
    }
    const claimed = stream ?? this.#add(id);
    if (!claimed.claim()) {
      throw invalidParams([{ path: ["streamId"], message: `stream ${id} is in use` }]);
    }
    if (claimed.bytes > limits.inputBacklogBytesMax) this.#intake.hold(claimed);
    return claimed;
  }

  /** Ends the use of a stream. When the client still sends, it is told why to stop. */
  release(stream: IncomingStream, reason: ThrownError): void {
    if (!this.#streams.delete(stream.id)) return;
    this.#intake.release(stream);
    if (stream.isEnded) return;
    stream.finish(reason);
    this.#cancel(stream.id, reason);
  }

  /**
   * Ends the use of a stream without a word: a client that has nothing more to send need not hear
   * that nobody would read it.
   */
  retire(stream: IncomingStream, reason: ThrownError): void {
    if (!this.#streams.delete(stream.id)) return;
    this.#intake.release(stream);
    if (stream.isEnded) return;
    stream.finish(reason);
    this.#retired.set(stream.id, reason);
    const [oldest] = this.#retired.keys();
    if (this.#retired.size > limits.clientStreamsMax && oldest !== undefined) {
      this.#retired.delete(oldest);
    }
  }

  /** A call that names the stream was refused, so nobody will ever read it. */
  abandon(id: number, reason: ThrownError): void {
    const stream = this.#streams.get(id);
    if (stream !== undefined && !stream.hasReader) this.release(stream, reason);
  }

  /** The client is gone: its streams fail, those that are named later too. */
  closeAll(): void {
    const failure = thrown("ConnectionReset", "the client has disconnected", "ECONNRESET");
    this.#closed = failure;
    for (const stream of this.#streams.values()) {
      stream.finish(failure);
      this.#intake.release(stream);
    }
    this.#streams.clear();
  }

  #add(id: number): IncomingStream {
    const stream = new IncomingStream(id, (taken, bytes) => this.#onTaken(taken, bytes));
    if (this.#closed !== null) stream.finish(this.#closed);
    this.#streams.set(id, stream);
    return stream;
  }

  #refuseRetired(id: number): void {
    const reason = this.#retired.get(id);
    if (reason === undefined) return;
    this.#retired.delete(id);
    this.#cancel(id, reason);
  }

  #onTaken(stream: IncomingStream, bytes: number): void {
    const credit = this.#grant === undefined ? 0 : stream.allowance.taken(bytes);
    if (credit > 0) this.#grant?.(stream.id, credit);
    if (stream.bytes <= limits.inputBacklogBytesMax) this.#intake.release(stream);
    else this.#intake.progressed(stream);
  }

  /** The stream stays known, so that the rest of it is thrown away and a call that names it fails. */
  #giveUp(stream: IncomingStream): void {
    const message = `nothing reads the stream, and ${stream.bytes} bytes of it wait`;
    const reason = thrown("Error", message, "ENOBUFS");
    stream.finish(reason);
    this.#intake.release(stream);
    this.#cancel(stream.id, reason);
  }

  #totalBytes(): number {
    let total = 0;
    for (const stream of this.#streams.values()) total += stream.bytes;
    return total;
  }

  #greatest(): IncomingStream {
    let greatest: IncomingStream | null = null;
    for (const stream of this.#streams.values()) {
      if (greatest === null || stream.bytes > greatest.bytes) greatest = stream;
    }
    if (greatest === null) throw new Error("no stream is open");
    return greatest;
  }
}
