/** How to copy files between this machine and a sandbox. */
export interface TransferOptions {
  /** Ends the copying; what is copied stays. */
  readonly signal?: AbortSignal | undefined;
  /** Files that are on the way at the same time. Default 16. */
  readonly concurrency?: number | undefined;
  /**
   * Whether a directory comes to lie in the target under its own name; if not, it becomes the target.
   * Default `true`.
   */
  readonly into?: boolean | undefined;
  /** Is called after each file, and now and then within large ones. */
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined;
  /** Is called for what is left out: sockets and devices, and what would lead out of the target. */
  readonly onSkip?: ((skipped: TransferSkip) => void) | undefined;
}

/** How far it is. */
export interface TransferProgress {
  /** Files that are complete. */
  readonly files: number;
  /** Bytes of content, of complete files and of those on the way. */
  readonly bytes: number;
  /** The path of the file in question, where it comes from. */
  readonly path: string;
}

export interface TransferSkip {
  readonly path: string;
  readonly reason: string;
}

/** What was copied. */
export interface TransferResult {
  readonly files: number;
  readonly directories: number;
  readonly links: number;
  readonly skipped: number;
  /** Bytes of content. */
  readonly bytes: number;
}

const concurrencyDefault = 16;

/** Counts, reports, and keeps no more than a few copies running at a time. */
export class Transfer {
  /** Aborts when the caller's does, and when one of the copies has failed. */
  readonly signal: AbortSignal;
  readonly #failed = new AbortController();
  readonly #options: TransferOptions;
  readonly #running = new Set<Promise<void>>();
  readonly #most: number;
  readonly #counts = { files: 0, directories: 0, links: 0, skipped: 0, bytes: 0 };
  #failure: { readonly error: unknown } | undefined;

  constructor(options: TransferOptions) {
    this.#options = options;
    const { signal } = options;
    this.signal = AbortSignal.any([this.#failed.signal, ...(signal === undefined ? [] : [signal])]);
    this.#most = Math.max(1, Math.min(64, options.concurrency ?? concurrencyDefault));
  }

  get result(): TransferResult {
    return { ...this.#counts };
  }

  /** Starts a copy as soon as there is a place for it. @throws the error of one that has failed. */
  async run(copy: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#most) await Promise.race(this.#running);
    this.check();
    const running = copy()
      .catch((error: unknown) => {
        this.#fail(error);
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Waits for all that run now. @throws the first error. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
    this.check();
  }

  /** Does what `work` does and starts. When it rejects, nothing of it runs any more. */
  async whole(work: () => Promise<void>): Promise<TransferResult> {
    try {
      await work();
    } catch (error) {
      this.#fail(error);
    }
    await this.settled();
    return this.result;
  }

  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.signal.throwIfAborted();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#failed.abort(error);
  }

  /** Passes the content of a file on, and counts it. */
  async *counted(
    path: string,
    content: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of content) {
      this.check();
      this.#counts.bytes += chunk.byteLength;
      yield chunk;
      this.#report(path);
    }
  }

  fileDone(path: string): void {
    this.#counts.files += 1;
    this.#report(path);
  }

  directoryDone(): void {
    this.#counts.directories += 1;
  }

  linkDone(): void {
    this.#counts.links += 1;
  }

  skip(path: string, reason: string): void {
    this.#counts.skipped += 1;
    this.#options.onSkip?.({ path, reason });
  }

  #report(path: string): void {
    const { files, bytes } = this.#counts;
    this.#options.onProgress?.({ files, bytes, path });
  }
}
