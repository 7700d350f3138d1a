/** What {@link Flow} holds back. */
export interface Pausable {
  pause(): void;
  resume(): void;
}

/** Unread bytes of one connection above which nothing more is taken from it. */
export const unreadBytesMax = 8 * 1_048_576;

/**
 * Decides whether a connection is read from. All streams share the connection, so the one that
 * nobody reads would hold up everything. The rule: when much is unread and nobody waits for an
 * answer, stop reading, so that memory stays bounded and the sandbox waits; when somebody waits for
 * an answer, read on, since the answer comes behind the bytes and the reader may be the one who waits.
 */
export class Flow {
  readonly #socket: Pausable;
  #unreadBytes = 0;
  #waiting = 0;
  #isPaused = false;
  #isOpen = true;

  constructor(socket: Pausable) {
    this.#socket = socket;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Bytes arrived that nobody took yet (or, negative, were taken). */
  addUnread(bytes: number): void {
    this.#unreadBytes += bytes;
    this.#decide();
  }

  /** Somebody waits for an answer; call what is returned once when the wait is over. */
  wait(): () => void {
    this.#waiting += 1;
    this.#decide();
    return () => {
      this.#waiting -= 1;
      this.#decide();
    };
  }

  /** Reads whatever comes from now on: the connection is ending. */
  release(): void {
    this.#isOpen = false;
    this.#decide();
  }

  #decide(): void {
    const pause = this.#isOpen && this.#waiting === 0 && this.#unreadBytes > unreadBytesMax;
    if (pause === this.#isPaused) return;
    this.#isPaused = pause;
    if (pause) this.#socket.pause();
    else this.#socket.resume();
  }
}
