/** The last bytes that a terminal has shown, for whoever comes back to it. */
export class Scrollback {
  readonly #most: number;
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  /** @param most Bytes that are kept. */
  constructor(most: number) {
    this.#most = most;
  }

  add(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes > this.#most) {
      const [oldest] = this.#chunks;
      if (oldest === undefined) return;
      const excess = this.#bytes - this.#most;
      if (oldest.length <= excess) this.#chunks.shift();
      else this.#chunks[0] = oldest.slice(excess); // a copy, so that the rest is let go
      this.#bytes -= Math.min(oldest.length, excess);
    }
  }

  /** All that is kept, in order. */
  whole(): Uint8Array {
    const whole = Buffer.concat(this.#chunks);
    this.#chunks = whole.length === 0 ? [] : [whole];
    return whole;
  }
}
