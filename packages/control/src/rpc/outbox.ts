import { limits } from "@skerry/protocol";

/** What of a WebSocket this file needs. */
export interface OutgoingSocket {
  readonly bufferedAmount: number;
  send(
    message: string | Uint8Array,
    options: { readonly binary: boolean },
    sent: (error?: Error) => void,
  ): void;
}

/** What an outbox notices of its client. */
export interface OutboxEvents {
  /** The client takes no notifications; may be called for each that is too many. */
  readonly onOverflow: () => void;
  /** The client has taken bytes that waited for it. */
  readonly onTaken: () => void;
}

/**
 * All that goes out on one socket. Streams reserve room before they take bytes from the guest, so
 * that a client that does not read stops its streams instead of filling the memory; answers are
 * bounded by the calls they belong to, and notifications and refusals by a limit of their own.
 */
export class Outbox {
  readonly #socket: OutgoingSocket;
  readonly #events: OutboxEvents;
  readonly #waiting: { readonly bytes: number; readonly grant: () => void }[] = [];
  #bytes = 0;
  #controlBytes = 0;

  constructor(socket: OutgoingSocket, events: OutboxEvents) {
    this.#socket = socket;
    this.#events = events;
  }

  /** Sends a notification, a refusal or a `pong`. */
  send(text: string): void {
    if (this.#controlBytes > limits.clientControlBytesMax) {
      this.#events.onOverflow();
      return;
    }
    this.#controlBytes += text.length;
    this.#write(text, text.length, () => (this.#controlBytes -= text.length));
  }

  notify(method: string, params: object): void {
    this.send(JSON.stringify({ jsonrpc: "2.0", method, params }));
  }

  /** Sends the answer to a call; resolves when it has left this process. */
  async answer(text: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#write(text, text.length, resolve);
    await promise;
  }

  /** Waits until `bytes` may be sent with {@link sendReserved}. First come, first served. */
  async reserve(bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#bytes < limits.clientBacklogBytesMax) {
      this.#bytes += bytes;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ bytes, grant: resolve });
    await promise;
  }

  /** Sends a message for which {@link reserve} was granted `bytes`. */
  sendReserved(message: Uint8Array, bytes: number, isBinary: boolean): void {
    this.#send(message, isBinary, () => this.#release(bytes));
  }

  /** Sends a binary notification, such as the credit of a stream. */
  sendBinary(message: Uint8Array): void {
    this.#bytes += message.length;
    this.#send(message, true, () => this.#release(message.length));
  }

  /** Gives back a reservation that is not used. */
  giveBack(bytes: number): void {
    this.#release(bytes);
  }

  #write(text: string, bytes: number, flushed: () => void): void {
    this.#bytes += bytes;
    this.#send(text, false, () => {
      this.#release(bytes);
      flushed();
    });
  }

  #send(message: string | Uint8Array, isBinary: boolean, flushed: () => void): void {
    let isWaiting = false;
    this.#socket.send(message, { binary: isBinary }, (error) => {
      // What had to wait for room in the kernel's buffers left because the client has taken some.
      if (isWaiting && !error) this.#events.onTaken();
      flushed();
    });
    isWaiting = this.#socket.bufferedAmount > 0;
  }

  #release(bytes: number): void {
    this.#bytes -= bytes;
    while (this.#bytes < limits.clientBacklogBytesMax) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#bytes += next.bytes;
      next.grant();
    }
  }
}
