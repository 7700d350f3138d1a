import { limits, StreamCredit } from "@skerry/protocol";

import { InvalidOptionError } from "./errors.ts";

/** Bytes per message: what the guest takes in one frame. */
const chunkBytesMax = 65_536;
/** Bytes per message where they are not written as text. */
const binaryBytesMax = limits.binaryChunkBytesMax;

/** What an outgoing stream needs of its connection. */
export interface OutgoingWire {
  /** Resolves when there is room for more. */
  enqueue(streamId: number, bytes: Uint8Array): Promise<void>;
  end(streamId: number): void;
  error(streamId: number, error: unknown): void;
}

/** Where the bytes of an upload come from. */
export type ByteSource = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** A stream to the sandbox: cuts bytes into messages, at the pace of the connection. */
export class OutgoingStream {
  readonly id: number;
  /** What the server has room for, where the stream has credit of its own. */
  readonly credit: StreamCredit | null;
  /** Is called once, when the other side wants no more or the connection is gone. */
  onCancel: (reason: unknown) => void = () => {};
  readonly #wire: OutgoingWire;
  readonly #onDone: () => void;
  #isOpen = true;

  constructor(id: number, wire: OutgoingWire, onDone: () => void, isBinary: boolean) {
    this.id = id;
    this.credit = isBinary ? new StreamCredit() : null;
    this.#wire = wire;
    this.#onDone = onDone;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  async write(bytes: unknown): Promise<void> {
    if (!(bytes instanceof Uint8Array)) {
      throw new InvalidOptionError("A byte stream can only carry Uint8Array chunks.", {
        remedy: "Encode text with TextEncoder, or pipe it through a TextEncoderStream.",
      });
    }
    const most = this.credit === null ? chunkBytesMax : binaryBytesMax;
    for (let at = 0; at < bytes.byteLength && this.#isOpen; at += most) {
      const piece = bytes.subarray(at, at + most);
      if (this.credit !== null) await this.credit.take(piece.byteLength);
      if (this.#isOpen) await this.#wire.enqueue(this.id, piece);
    }
  }

  end(): void {
    if (this.#finish()) this.#wire.end(this.id);
  }

  fail(error: unknown): void {
    if (this.#finish()) this.#wire.error(this.id, error);
  }

  /** The other side wants no more. */
  cancel(reason: unknown): void {
    if (this.#finish()) this.onCancel(reason);
  }

  #finish(): boolean {
    if (!this.#isOpen) return false;
    this.#isOpen = false;
    this.credit?.release();
    this.#onDone();
    return true;
  }
}

/** The writable end of a stream, for a process' stdin. */
export function writableOf(stream: OutgoingStream): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({
    start: (controller) => {
      stream.onCancel = (reason) => controller.error(reason);
    },
    write: (chunk) => stream.write(chunk),
    close: () => stream.end(),
    abort: (reason) => stream.fail(reason),
  });
}

/** An upload that runs by itself. */
export class Upload {
  readonly #stream: OutgoingStream;
  readonly #source: Reader;
  /** Why the source failed, when it did: what the sandbox answers then is only an echo of it. */
  failure: { readonly error: unknown } | undefined;

  constructor(stream: OutgoingStream, source: ByteSource) {
    this.#stream = stream;
    this.#source = readerOf(source);
    stream.onCancel = (reason) => this.#source.cancel(reason);
    void this.#pump();
  }

  get id(): number {
    return this.#stream.id;
  }

  /** Nobody waits for the rest. */
  stop(reason: unknown): void {
    if (!this.#stream.isOpen) return;
    this.#stream.fail(reason);
    this.#source.cancel(reason);
  }

  async #pump(): Promise<void> {
    try {
      while (this.#stream.isOpen) {
        const { done, value } = await this.#source.read();
        if (done === true) break;
        await this.#stream.write(value);
      }
      this.#stream.end();
    } catch (error) {
      if (!this.#stream.isOpen) return; // it was stopped, and this is how the source takes it
      this.failure = { error };
      this.#stream.fail(error);
      this.#source.cancel(error);
    }
  }
}

interface Reader {
  read(): Promise<{ readonly done?: boolean | undefined; readonly value?: unknown }>;
  /** Tells the source that nothing more is wanted; a failure to take it well changes nothing. */
  cancel(reason: unknown): void;
}

function readerOf(source: ByteSource): Reader {
  if (source instanceof ReadableStream) {
    const reader = source.getReader();
    return { read: () => reader.read(), cancel: (reason) => ignore(reader.cancel(reason)) };
  }
  const iterator = source[Symbol.asyncIterator]();
  return { read: () => iterator.next(), cancel: () => ignore(iterator.return?.()) };
}

/** The caller has the error that ended the upload; a second one from the source adds nothing. */
function ignore(promise: Promise<unknown> | undefined): void {
  promise?.catch(() => {});
}
