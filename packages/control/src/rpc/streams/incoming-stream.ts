import { limits, StreamAllowance, type ThrownError } from "@skerry/protocol";

import type { IntakeSource } from "../intake.ts";

/** Told when the reader of a stream takes bytes. */
export type OnTaken = (stream: IncomingStream, bytes: number) => void;

/**
 * Bytes from the client on their way to the guest: a queue between the socket, which fills it, and
 * one reader, which may come later than the first bytes.
 */
export class IncomingStream implements IntakeSource {
  readonly name: string;
  readonly id: number;
  /** Of a `skerry.v1` client: what it may send. */
  readonly allowance = new StreamAllowance();
  readonly #onTaken: OnTaken;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #end: { readonly failure: ThrownError | null } | null = null;
  #wake: (() => void) | null = null;
  #hasReader = false;

  constructor(id: number, onTaken: OnTaken) {
    this.id = id;
    this.name = `stream ${id}`;
    this.#onTaken = onTaken;
  }

  /** Bytes that wait for the reader. */
  get bytes(): number {
    return this.#bytes;
  }

  get hasReader(): boolean {
    return this.#hasReader;
  }

  get isEnded(): boolean {
    return this.#end !== null;
  }

  /** Why the stream ended before it was whole, if it did. */
  get failure(): ThrownError | null {
    return this.#end?.failure ?? null;
  }

  push(chunk: Uint8Array): void {
    if (this.#end !== null || chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#wake?.();
  }

  /** No more bytes come. With a failure, what waits is thrown away. */
  finish(failure: ThrownError | null): void {
    if (this.#end !== null) return;
    this.#end = { failure };
    if (failure !== null) this.drop();
    this.#wake?.();
  }

  /** Throws away what waits. */
  drop(): void {
    this.#chunks = [];
    this.#bytes = 0;
  }

  /** Makes the stream the caller's. Answers false when it is somebody's already. */
  claim(): boolean {
    if (this.#hasReader) return false;
    this.#hasReader = true;
    return true;
  }

  /**
   * The bytes, in pieces that the guest takes at once. A stream that fails just ends: whoever reads
   * it looks at {@link failure} then, since not every reader can be trusted with an exception.
   */
  async *read(): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        for (const piece of pieces(chunk)) {
          this.#bytes = Math.max(0, this.#bytes - piece.length);
          this.#onTaken(this, piece.length);
          yield piece;
        }
      } else if (this.#end !== null) {
        return;
      } else {
        await this.#untilWoken();
      }
    }
  }

  async #untilWoken(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = null;
  }
}

/** Cuts `bytes` into pieces of at most one guest frame, without copying. */
export function* pieces(bytes: Uint8Array): Generator<Uint8Array, void, void> {
  const most = limits.guestDataBytesMax;
  for (let at = 0; at < bytes.length; at += most) yield bytes.subarray(at, at + most);
}
