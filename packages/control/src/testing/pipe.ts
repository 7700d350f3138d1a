/** Bytes between a fake process and its reader, with room for a guest's window of them. */
export class Pipe implements AsyncIterable<Uint8Array> {
  readonly #roomBytes: number;
  readonly #chunks: Uint8Array[] = [];
  #waitingBytes = 0;
  #end: { readonly error: Error | null } | null = null;
  #isUnwanted = false;
  #wake = Promise.withResolvers<void>();
  /** All that was ever written. */
  writtenBytes = 0;

  constructor(roomBytes = 262_144) {
    this.#roomBytes = roomBytes;
  }

  /** Resolves when there is room for more; bytes that nobody wants are thrown away. */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#end !== null) throw new Error("the pipe has ended");
    this.writtenBytes += chunk.length;
    if (this.#isUnwanted) return;
    this.#chunks.push(chunk);
    this.#waitingBytes += chunk.length;
    this.#changed();
    while (this.#waitingBytes >= this.#roomBytes && this.#end === null && !this.#isUnwanted) {
      await this.#wake.promise;
    }
  }

  end(error: Error | null = null): void {
    this.#end ??= { error };
    this.#changed();
  }

  /** Nobody reads any more. */
  discard(): void {
    this.#isUnwanted = true;
    this.#chunks.length = 0;
    this.#waitingBytes = 0;
    this.#changed();
  }

  get isUnwanted(): boolean {
    return this.#isUnwanted;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: () => this.#next(),
      return: async () => {
        this.discard();
        return { done: true, value: undefined };
      },
    };
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    for (;;) {
      const value = this.#chunks.shift();
      if (value !== undefined) {
        this.#waitingBytes -= value.length;
        this.#changed();
        return { done: false, value };
      }
      if (this.#isUnwanted) return { done: true, value: undefined };
      if (this.#end !== null) {
        if (this.#end.error !== null) throw this.#end.error;
        return { done: true, value: undefined };
      }
      await this.#wake.promise;
    }
  }

  #changed(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers<void>();
    resolve();
  }
}
