import type { ByteStream } from "@skerry/protocol";

/**
 * Bytes of one stream on their way from the guest to whoever reads them. It never holds more than
 * the window, because room is granted to the guest only for what has been taken out.
 */
export class Inbox {
  readonly #windowBytes: number;
  readonly #grant: (bytes: number) => void;
  readonly #stop: () => void;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #taken = 0;
  #state: { kind: "open" } | { kind: "ended" } | { kind: "failed"; error: unknown } = {
    kind: "open",
  };
  #wake: (() => void) | undefined;
  #claimed = false;

  /**
   * @param grant Tells the guest that there is room for more bytes.
   * @param stop Tells the guest that nobody reads any more.
   */
  constructor(windowBytes: number, grant: (bytes: number) => void, stop: () => void) {
    this.#windowBytes = windowBytes;
    this.#grant = grant;
    this.#stop = stop;
  }

  /** Takes what arrived; false when the guest sent more than it was granted. */
  push(bytes: Uint8Array): boolean {
    if (this.#state.kind !== "open") return true;
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > this.#windowBytes) return false;
    this.#waiting.push(bytes);
    this.#notify();
    return true;
  }

  end(): void {
    if (this.#state.kind === "open") this.#state = { kind: "ended" };
    this.#notify();
  }

  fail(error: unknown): void {
    if (this.#state.kind === "open") this.#state = { kind: "failed", error };
    this.#notify();
  }

  /** The bytes, for one reader. */
  read(): ByteStream {
    if (this.#claimed) throw new TypeError("a stream of the guest can be read once");
    this.#claimed = true;
    return this.#chunks();
  }

  async *#chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    let finished = false;
    try {
      for (;;) {
        const chunk = this.#waiting.shift();
        if (chunk !== undefined) {
          this.#account(chunk.length);
          yield chunk;
        } else if (this.#state.kind === "open") {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        } else {
          finished = true;
          if (this.#state.kind === "failed") throw this.#state.error;
          return;
        }
      }
    } finally {
      if (!finished) this.#stop();
    }
  }

  #account(bytes: number): void {
    this.#waitingBytes -= bytes;
    this.#taken += bytes;
    // A credit for every chunk would double the frames; one per quarter window keeps the pipe full.
    if (this.#taken >= this.#windowBytes / 4 && this.#state.kind === "open") {
      this.#grant(this.#taken);
      this.#taken = 0;
    }
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
