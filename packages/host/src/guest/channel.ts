import {
  type ByteSink,
  encodeFrame,
  type Frame,
  FrameError,
  GuestError,
  GuestEvent,
  GuestFailure,
  limits,
  stream,
  type StreamNumber,
} from "@skerry/protocol";

import { Inbox } from "./inbox.ts";

/** What a channel needs of the link that carries it. */
export interface Carrier {
  /** Sends a control frame at once. */
  sendControl(frame: Buffer): void;
  /** Sends a data frame when it is this sender's turn; senders take turns, one frame each. */
  sendData(frame: Buffer): Promise<void>;
}

type Waiter<T> = PromiseWithResolvers<T>;

/**
 * One call to the guest, from its REQUEST to its CLOSE: the answer, the streams and the events.
 * Every promise of it settles when the channel closes, whatever happens.
 */
export class Channel implements ByteSink {
  readonly id: number;
  readonly #carrier: Carrier;
  readonly #response: Waiter<unknown> = quiet(Promise.withResolvers());
  readonly #event: Waiter<GuestEvent> = quiet(Promise.withResolvers());
  readonly #closed: Waiter<void> = Promise.withResolvers();
  readonly #inboxes: Readonly<Record<1 | 2, Inbox>>;
  #credit: number = limits.guestWindowBytes;
  #creditWaiters: (() => void)[] = [];
  #inputState: "open" | "ended" | "refused" = "open";
  #writing: Promise<void> = Promise.resolve();
  #failure: unknown;
  #isClosed = false;
  #isCancelled = false;

  constructor(id: number, carrier: Carrier) {
    this.id = id;
    this.#carrier = carrier;
    const inbox = (number: 1 | 2): Inbox =>
      new Inbox(
        limits.guestWindowBytes,
        (credit) => this.#send({ kind: "credit", channel: id, stream: number, credit }),
        () => this.cancel(),
      );
    this.#inboxes = { 1: inbox(1), 2: inbox(2) };
  }

  /** The guest's answer, not yet checked. Rejects with `GuestError` when the guest refused. */
  get response(): Promise<unknown> {
    return this.#response.promise;
  }

  /** The event that ends the call: `exit`, `done`, or a rejection with the guest's `error`. */
  get lastEvent(): Promise<GuestEvent> {
    return this.#event.promise;
  }

  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Whether the guest takes no more input (the process has closed its stdin). */
  get inputIsRefused(): boolean {
    return this.#inputState === "refused";
  }

  /** The bytes of an outgoing stream of the guest, for one reader. */
  output(number: 1 | 2 = 1): AsyncIterable<Uint8Array> {
    return this.#inboxes[number].read();
  }

  /** Sends input. Resolves when all of it is on its way, at the guest's pace. */
  write(bytes: Uint8Array): Promise<void> {
    const turn = this.#writing.then(() => this.#writeNow(bytes));
    this.#writing = turn.catch(() => undefined); // the caller of this write has the rejection
    return turn;
  }

  end(): void {
    this.#writing = this.#writing.then(async () => {
      if (this.#isClosed || this.#inputState === "ended") return;
      this.#inputState = "ended";
      await this.#carrier.sendData(
        encodeFrame({ kind: "end", channel: this.id, stream: stream.input }),
      );
    });
  }

  /** Loses interest; what that means belongs to the method. */
  cancel(): void {
    if (this.#isClosed || this.#isCancelled) return;
    this.#isCancelled = true;
    this.#send({ kind: "cancel", channel: this.id });
  }

  /** The caller has given up: what is awaited fails with `reason` now, the guest's CLOSE may follow. */
  abandon(reason: unknown): void {
    this.#failure ??= reason;
    this.#response.reject(reason);
    this.#event.reject(reason);
    for (const inbox of Object.values(this.#inboxes)) inbox.fail(reason);
  }

  /**
   * Takes a frame of this channel.
   *
   * @throws {FrameError} when the guest breaks the protocol.
   */
  receive(frame: Frame): void {
    switch (frame.kind) {
      case "response":
        this.#settleResponse(parseJson(frame.json));
        return;
      case "event":
        this.#receiveEvent(parseJson(frame.json));
        return;
      case "data":
        if (!this.#inbox(frame.stream).push(frame.bytes)) {
          throw new FrameError("the guest sent more than it was granted");
        }
        return;
      case "end":
        this.#inbox(frame.stream).end();
        return;
      case "credit":
        if (frame.stream !== stream.input) throw new FrameError("credit for an outgoing stream");
        this.#credit = Math.min(this.#credit + frame.credit, limits.guestWindowBytes);
        this.#wakeWriters();
        return;
      case "close":
        this.close(new GuestError({ errno: null, message: "the guest ended the call early" }));
        return;
      case "request":
      case "cancel":
      case "hello":
        throw new FrameError(`the guest sent a ${frame.kind} frame`);
    }
  }

  /** Ends the channel; whatever is still awaited fails with `reason`. */
  close(reason: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#failure ??= reason;
    this.#response.reject(this.#failure);
    this.#event.reject(this.#failure);
    for (const inbox of Object.values(this.#inboxes)) inbox.fail(this.#failure);
    this.#wakeWriters();
    this.#closed.resolve();
  }

  async #writeNow(bytes: Uint8Array): Promise<void> {
    let offset = 0;
    while (offset < bytes.length) {
      if (this.#isClosed) throw this.#failure;
      if (this.#inputState === "ended") throw new TypeError("write after end");
      if (this.#inputState === "refused") return;
      if (this.#credit === 0) {
        await new Promise<void>((resolve) => this.#creditWaiters.push(resolve));
        continue;
      }
      const size = Math.min(bytes.length - offset, this.#credit, limits.guestDataBytesMax);
      this.#credit -= size;
      const part = bytes.subarray(offset, offset + size);
      offset += size;
      await this.#carrier.sendData(
        encodeFrame({ kind: "data", channel: this.id, stream: stream.input, bytes: part }),
      );
    }
  }

  #settleResponse(json: unknown): void {
    const failed = parseFailure(json);
    if (failed !== undefined) {
      this.#failure = new GuestError(failed);
      this.#response.reject(this.#failure);
      return;
    }
    if (typeof json !== "object" || json === null || !("ok" in json)) {
      throw new FrameError("a response that is neither ok nor an error");
    }
    this.#response.resolve(json.ok);
  }

  #receiveEvent(json: unknown): void {
    const parsed = GuestEvent.safeParse(json);
    if (!parsed.success) return; // a newer guest may tell more than this host understands
    const event = parsed.data;
    if ("inputClosed" in event) {
      if (this.#inputState === "open") this.#inputState = "refused";
      this.#wakeWriters();
    } else if ("error" in event) {
      this.#failure = new GuestError(event.error);
      this.#event.reject(this.#failure);
      for (const inbox of Object.values(this.#inboxes)) inbox.fail(this.#failure);
    } else {
      this.#event.resolve(event);
    }
  }

  #inbox(number: StreamNumber): Inbox {
    if (number === stream.input) throw new FrameError("the guest sent data on an input stream");
    return this.#inboxes[number];
  }

  #wakeWriters(): void {
    const waiters = this.#creditWaiters;
    this.#creditWaiters = [];
    for (const wake of waiters) wake();
  }

  #send(frame: Frame): void {
    if (!this.#isClosed) this.#carrier.sendControl(encodeFrame(frame));
  }
}

/** @throws {FrameError} when the guest sent text that is no JSON. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (cause) {
    throw new FrameError("the guest sent text that is no JSON", { cause });
  }
}

function parseFailure(json: unknown): GuestFailure | undefined {
  if (typeof json !== "object" || json === null || !("error" in json)) return undefined;
  const parsed = GuestFailure.safeParse(json.error);
  if (!parsed.success) throw new FrameError("an error of the wrong shape");
  return parsed.data;
}

/** A promise that nobody need await: each caller who does gets the rejection all the same. */
function quiet<T>(waiter: Waiter<T>): Waiter<T> {
  waiter.promise.catch(() => undefined);
  return waiter;
}
