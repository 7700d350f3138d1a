const blockBytesMin = 4_096;
const blockBytesMax = 65_536;

interface Block {
  readonly bytes: Uint8Array;
  used: number;
}

/**
 * A stretch of a stream: bytes are added at its end and dropped from its start. They are copied into
 * blocks, since what arrives in a thousand small pieces would keep a thousand great buffers alive.
 */
export class HeldBytes {
  #blocks: Block[] = [];
  /** Bytes of the first block that are dropped already. */
  #dropped = 0;
  #start = 0;
  #end = 0;

  /** The offset in the stream of the first byte that is held. */
  get start(): number {
    return this.#start;
  }

  /** The offset of the byte that comes next. */
  get end(): number {
    return this.#end;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const block = this.#blockFor(bytes.length - at);
      const piece = bytes.subarray(at, at + block.bytes.length - block.used);
      block.bytes.set(piece, block.used);
      block.used += piece.length;
      at += piece.length;
    }
    this.#end += bytes.length;
  }

  /** Drops up to `count` bytes from the start. */
  drop(count: number): void {
    const bytes = Math.min(count, this.length);
    this.#start += bytes;
    this.#dropped += bytes;
    for (let block = this.#blocks[0]; block !== undefined; block = this.#blocks[0]) {
      if (this.#dropped < block.used) return;
      this.#dropped -= block.used;
      this.#blocks.shift();
    }
  }

  /** What is held from `offset` on, up to the end of a block; undefined at the end. */
  pieceAt(offset: number): Uint8Array | undefined {
    let at = offset - this.#start + this.#dropped;
    for (const { bytes, used } of this.#blocks) {
      if (at < used) return bytes.subarray(at, used);
      at -= used;
    }
    return undefined;
  }

  #blockFor(bytes: number): Block {
    const last = this.#blocks.at(-1);
    if (last !== undefined && last.used < last.bytes.length) return last;
    const size = Math.min(Math.max(bytes, blockBytesMin), blockBytesMax);
    const block = { bytes: new Uint8Array(size), used: 0 };
    this.#blocks.push(block);
    return block;
  }
}
