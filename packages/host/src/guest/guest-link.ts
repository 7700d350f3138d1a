import { randomUUID } from "node:crypto";
import type { Duplex } from "node:stream";

import {
  encodeFrame,
  type Frame,
  FrameError,
  FrameReader,
  Hello,
  helloMagic,
  limits,
} from "@skerry/protocol";

import { type Carrier, Channel, parseJson } from "./channel.ts";

/** How long a guest may be silent before it is nudged: far longer than a busy host makes it wait. */
const nudgeMs = 10_000;
const headerBytes = 9;
/** A length and a kind that no frame has. */
const notAFrame = Buffer.from([5, 0, 0, 0, 0, 0, 0, 0, 0]);

/**
 * The host's end of a guest's port: many calls over one byte stream. Everything that arrives is
 * hostile; a guest that breaks the protocol ends the link, and with it every call on it.
 *
 * ```
 *  connecting ──HELLO──▶ open ──fail()/end of stream──▶ closed
 * ```
 */
export class GuestLink implements Carrier {
  readonly #port: Duplex;
  readonly #reader = new FrameReader();
  /** Marks our greeting, and the answer to it. */
  readonly #nonce = randomUUID();
  readonly #channels = new Map<number, Channel>();
  readonly #hello = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<Error>();
  #untilHello: Buffer | undefined = Buffer.alloc(0);
  #skipped = 0;
  #isNudged = false;
  #nextChannel = 1;
  #turn: Promise<void> = Promise.resolve();
  #failure: Error | undefined;

  private constructor(port: Duplex) {
    this.#port = port;
    this.#hello.promise.catch(() => undefined); // whoever waits in open() has it
    port.on("data", (chunk: Buffer) => this.#receive(chunk));
    port.on("error", (cause) => this.fail(new Error("the guest's port failed", { cause })));
    port.on("close", () => this.fail(new Error("the guest's port closed")));
  }

  /**
   * Waits for the guest's HELLO on a port that is connected.
   *
   * @param options.canNudge A guest that spoke with an earlier host may still wait for the rest of a
   *   frame of that one: when it does not answer, a frame that no protocol has makes it start again. A
   *   guest that still boots must not be nudged.
   * @throws the signal's reason, or what ended the port first; the port is destroyed then.
   */
  static async open(
    port: Duplex,
    options: { readonly canNudge: boolean; readonly signal: AbortSignal },
  ): Promise<GuestLink> {
    const { canNudge, signal } = options;
    const link = new GuestLink(port);
    link.#greet();
    const nudge = canNudge ? setInterval(() => link.#nudge(), nudgeMs) : undefined;
    const abort = (): void => link.fail(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    try {
      await link.#hello.promise;
      return link;
    } finally {
      clearInterval(nudge);
      signal.removeEventListener("abort", abort);
    }
  }

  /** Settles when the link has ended, with why. Never rejects. */
  get closed(): Promise<Error> {
    return this.#closed.promise;
  }

  /** Opens a channel with a request. */
  request(method: string, params: object): Channel {
    const channel = new Channel(this.#nextChannel, this);
    this.#nextChannel += 1;
    const json = Buffer.from(JSON.stringify({ method, params }));
    if (this.#failure !== undefined) {
      channel.close(this.#failure);
    } else if (json.length > limits.guestJsonBytesMax) {
      channel.close(new RangeError(`a request of ${json.length} bytes is too large for the guest`));
    } else {
      this.#channels.set(channel.id, channel);
      this.sendControl(encodeFrame({ kind: "request", channel: channel.id, json }));
    }
    return channel;
  }

  /** Ends the link and every call on it. */
  fail(reason: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    this.#port.destroy();
    for (const channel of this.#channels.values()) channel.close(reason);
    this.#channels.clear();
    this.#hello.reject(reason);
    this.#closed.resolve(reason);
  }

  sendControl(frame: Buffer): void {
    if (this.#failure === undefined) this.#port.write(frame);
  }

  sendData(frame: Buffer): Promise<void> {
    this.#turn = this.#turn.then(() => this.#sendWhenThereIsRoom(frame));
    return this.#turn;
  }

  async #sendWhenThereIsRoom(frame: Buffer): Promise<void> {
    if (this.#failure !== undefined || this.#port.write(frame)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#port.off("drain", done);
        this.#port.off("close", done);
        resolve();
      };
      this.#port.on("drain", done);
      this.#port.on("close", done);
    });
  }

  #greet(): void {
    const json = Buffer.from(JSON.stringify({ nonce: this.#nonce }));
    this.#port.write(encodeFrame({ kind: "hello", channel: 0, json }));
  }

  #nudge(): void {
    this.#isNudged = true;
    this.#port.write(notAFrame); // what follows it would be dropped with it; see #answers
  }

  #receive(chunk: Buffer): void {
    if (this.#failure !== undefined) return;
    try {
      const bytes = this.#untilHello === undefined ? chunk : this.#skipToHello(chunk);
      if (bytes === undefined) return;
      for (const frame of this.#reader.push(bytes)) this.#dispatch(frame);
    } catch (error) {
      this.fail(error instanceof Error ? error : new FrameError(String(error)));
    }
  }

  /** Drops what comes before the guest's answer to our greeting: what an earlier connection left. */
  #skipToHello(chunk: Buffer): Buffer | undefined {
    let bytes = Buffer.concat([this.#untilHello ?? Buffer.alloc(0), chunk]);
    for (;;) {
      const start = bytes.indexOf(helloMagic) - headerBytes;
      if (start < 0) {
        this.#keepForHello(bytes.subarray(-(helloMagic.length + headerBytes)), bytes.length);
        return undefined;
      }
      const end = start + 4 + bytes.readUInt32LE(start);
      if (end - start > headerBytes + limits.guestHelloBytesMax) {
        bytes = bytes.subarray(start + headerBytes + 1); // the magic by chance, in old content
      } else if (bytes.length < end) {
        this.#keepForHello(bytes.subarray(start), bytes.length);
        return undefined;
      } else {
        const json = bytes.subarray(start + headerBytes + helloMagic.length, end);
        bytes = bytes.subarray(end);
        if (!this.#answers(json)) continue;
        this.#untilHello = undefined;
        this.#hello.resolve();
        return bytes;
      }
    }
  }

  #keepForHello(kept: Buffer, outOf: number): void {
    this.#skipped += outOf - kept.length;
    if (this.#skipped > limits.guestResyncBytesMax) throw new FrameError("no hello from the guest");
    this.#untilHello = kept;
  }

  /** Whether this HELLO answers our greeting; one of before is passed over. */
  #answers(json: Buffer): boolean {
    const hello = Hello.safeParse(parseJson(json));
    if (!hello.success) throw new FrameError("a guest of another version");
    if (hello.data.nonce === this.#nonce) return true;
    if (this.#isNudged) this.#greet();
    return false;
  }

  #dispatch(frame: Frame): void {
    if (frame.kind === "hello") {
      // The guest has dropped the connection and forgotten every channel.
      throw new FrameError("the guest started again");
    }
    const channel = this.#channels.get(frame.channel);
    if (channel === undefined) return; // it crossed a close
    channel.receive(frame);
    if (frame.kind === "close") this.#channels.delete(frame.channel);
  }
}
