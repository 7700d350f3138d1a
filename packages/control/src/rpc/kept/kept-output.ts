import { limits, type ByteStream } from "@skerry/protocol";

import { outputLost, takenOver } from "../failures.ts";
import { HeldBytes } from "./held-bytes.ts";

/**
 * What a process writes, held until the client says that it has taken it, so that another socket can
 * go on where the first was cut off. When `limits.keptOutputBytesMax` are held, the process waits, as
 * it does for any slow reader.
 */
export class KeptOutput {
  /** What was read from the process and not yet taken. */
  readonly #held = new HeldBytes();
  #end: { readonly failure: Error | null } | null = null;
  #isKept = true;
  /** Which of its readers is the present one. */
  #turn = 0;
  #changed = Promise.withResolvers<void>();
  readonly #onDone: () => void;

  /** @param onDone Is called once, when the process has written all and the client has taken it. */
  constructor(source: ByteStream, onDone: () => void) {
    this.#onDone = onDone;
    void this.#fill(source);
  }

  get isDone(): boolean {
    return this.#end !== null && this.#held.length === 0;
  }

  /**
   * The bytes from offset `from` on, as they come; those before it count as taken. Whoever read until
   * now gets an error: there is one reader at a time.
   *
   * @throws {CallFailure} `OUTPUT_LOST` when bytes from there on are not held, or were never written.
   */
  read(from: number): ByteStream {
    if (!this.#isKept || from < this.#held.start || from > this.#held.end) throw outputLost();
    this.#turn += 1;
    this.#wake();
    this.taken(from - this.#held.start);
    return this.#follow(this.#turn, from);
  }

  /** The client has taken so many bytes more. */
  taken(bytes: number): void {
    if (this.isDone) return;
    this.#held.drop(bytes);
    this.#wake();
    if (this.isDone) this.#onDone();
  }

  /** Nobody wants it any more: the process goes on, and what it writes is thrown away. */
  letGo(): void {
    this.#isKept = false;
    this.#turn += 1;
    this.taken(this.#held.length);
    this.#wake();
  }

  /** Never rejects: how the source ends is its readers' to know. */
  async #fill(source: ByteStream): Promise<void> {
    try {
      for await (const chunk of source) {
        if (!this.#isKept || chunk.length === 0) continue;
        this.#held.push(chunk);
        this.#wake();
        while (this.#held.length >= limits.keptOutputBytesMax) await this.#changed.promise;
      }
      this.#end = { failure: null };
    } catch (error) {
      this.#end = { failure: error instanceof Error ? error : new Error(String(error)) };
    }
    this.#wake();
    if (this.isDone) this.#onDone();
  }

  async *#follow(turn: number, from: number): AsyncGenerator<Uint8Array, void, void> {
    for (let at = from; ;) {
      if (turn !== this.#turn) throw takenOver();
      const piece = this.#held.pieceAt(at);
      if (piece !== undefined) {
        at += piece.length;
        yield piece;
      } else if (this.#end === null) {
        await this.#changed.promise;
      } else if (this.#end.failure === null) {
        return;
      } else {
        throw this.#end.failure;
      }
    }
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
