import { StreamAllowance } from "@skerry/protocol";

type Bytes = Uint8Array<ArrayBuffer>;
type Unread = (bytes: number) => void;

/**
 * A stream from the sandbox. It hands on one chunk for each read, so what nobody takes is counted
 * as unread; what arrived before a failure is still delivered.
 */
export class IncomingStream {
  readonly readable: ReadableStream<Bytes>;
  /** Whether the server has announced it. */
  isStarted = false;
  /** Whether somebody has it to read. */
  isTaken = false;
  /** What may still come, where the stream has credit of its own. */
  readonly allowance = new StreamAllowance();
  readonly #unread: Unread;
  readonly #chunks: Bytes[] = [];
  #controller: ReadableByteStreamController | undefined;
  #isWanted = false;
  #isCancelled = false;
  #finish: ((controller: ReadableByteStreamController) => void) | undefined;

  /**
   * @param unread Is told of bytes that nobody has taken yet, and, as a negative number, of those that
   * were taken.
   * @param onCancel Is called when the reader wants no more.
   */
  constructor(unread: Unread, onCancel: (reason: unknown) => void) {
    this.#unread = unread;
    const readable = new ReadableStream({
      type: "bytes",
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => {
        this.#isWanted = true;
        this.#deliver();
      },
      cancel: (reason) => {
        this.#drop();
        onCancel(reason);
      },
    });
    this.readable = readable as ReadableStream<Bytes>; // it hands on what is pushed
  }

  /** Whether nothing more will come. */
  get isFinished(): boolean {
    return this.#finish !== undefined;
  }

  /** Whether all that has come was read. */
  get isDrained(): boolean {
    return this.#chunks.length === 0;
  }

  /** Whether its reader wants no more. */
  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  push(bytes: Bytes): void {
    if (bytes.byteLength === 0 || this.#isCancelled || this.#finish !== undefined) return;
    this.#chunks.push(bytes);
    this.#unread(bytes.byteLength);
    this.#deliver();
  }

  end(): void {
    this.#finish ??= (controller) => {
      controller.close();
      controller.byobRequest?.respond(0); // a reader with a buffer of its own waits for this
    };
    this.#deliver();
  }

  fail(error: unknown): void {
    this.#finish ??= (controller) => controller.error(error);
    this.#deliver();
  }

  #deliver(): void {
    const controller = this.#controller;
    if (controller === undefined) return;
    if (this.#isWanted) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#isWanted = false;
        this.#unread(-chunk.byteLength);
        controller.enqueue(chunk);
        return;
      }
    }
    if (this.#finish !== undefined && this.#chunks.length === 0) {
      this.#controller = undefined;
      this.#finish(controller);
    }
  }

  #drop(): void {
    this.#controller = undefined;
    this.#isCancelled = true;
    this.#unread(-this.#chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
    this.#chunks.length = 0;
  }
}
