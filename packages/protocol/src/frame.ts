import { limits } from "./limits.ts";

/**
 * Frames of the guest protocol: `docs/design/0002-guest-protocol.md` is the specification, and
 * `vectors/guest-frames.json` holds examples that this file and `native/guest` both read and write.
 */
export const frameKind = {
  request: 1,
  response: 2,
  data: 3,
  end: 4,
  credit: 5,
  cancel: 6,
  event: 7,
  close: 8,
  hello: 9,
} as const;

export type FrameKind = keyof typeof frameKind;

/** Streams of a channel: one towards the guest, two from it. */
export const stream = { input: 0, output: 1, error: 2 } as const;
export type StreamNumber = 0 | 1 | 2;

export type Frame =
  | {
      readonly kind: "request" | "response" | "event";
      readonly channel: number;
      readonly json: Uint8Array;
    }
  | {
      readonly kind: "data";
      readonly channel: number;
      readonly stream: StreamNumber;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "end"; readonly channel: number; readonly stream: StreamNumber }
  | {
      readonly kind: "credit";
      readonly channel: number;
      readonly stream: StreamNumber;
      readonly credit: number;
    }
  | { readonly kind: "cancel" | "close"; readonly channel: number }
  | { readonly kind: "hello"; readonly channel: 0; readonly json: Uint8Array };

/** The bytes that open a HELLO: no valid frame contains them by accident in its first bytes. */
export const helloMagic = Buffer.from("SKERRY-GUEST\r\n\u001a\n", "latin1");

/** The peer broke the protocol. Nothing that it sends afterwards can be trusted. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

const headerBytes = 9;
const nameOfKind = Object.fromEntries(
  Object.entries(frameKind).map(([name, number]) => [number, name]),
) as Readonly<Record<number, FrameKind>>;

/** Encodes one frame. The caller keeps payloads within the limits; see {@link FrameReader}. */
export function encodeFrame(frame: Frame): Buffer {
  switch (frame.kind) {
    case "request":
    case "response":
    case "event":
      return assemble(frame.kind, frame.channel, frame.json);
    case "hello":
      return assemble(frame.kind, 0, Buffer.concat([helloMagic, frame.json]));
    case "cancel":
    case "close":
      return assemble(frame.kind, frame.channel, new Uint8Array());
    case "end":
      return assemble(frame.kind, frame.channel, Uint8Array.of(frame.stream));
    case "credit": {
      const payload = Buffer.alloc(5);
      payload.writeUInt8(frame.stream, 0);
      payload.writeUInt32LE(frame.credit, 1);
      return assemble(frame.kind, frame.channel, payload);
    }
    case "data": {
      const whole = Buffer.allocUnsafe(headerBytes + 1 + frame.bytes.length);
      writeHeader(whole, frame.kind, frame.channel, 1 + frame.bytes.length);
      whole.writeUInt8(frame.stream, headerBytes);
      whole.set(frame.bytes, headerBytes + 1);
      return whole;
    }
  }
}

function assemble(kind: FrameKind, channel: number, payload: Uint8Array): Buffer {
  const whole = Buffer.allocUnsafe(headerBytes + payload.length);
  writeHeader(whole, kind, channel, payload.length);
  whole.set(payload, headerBytes);
  return whole;
}

function writeHeader(into: Buffer, kind: FrameKind, channel: number, payloadBytes: number): void {
  into.writeUInt32LE(5 + payloadBytes, 0);
  into.writeUInt8(frameKind[kind], 4);
  into.writeUInt32LE(channel, 5);
}

/**
 * Cuts a byte stream into frames. It holds at most one incomplete frame, whose size it checks
 * before it waits for the rest, so a hostile peer cannot make it grow.
 */
export class FrameReader {
  #chunks: Buffer[] = [];
  #length = 0;

  /**
   * Takes what arrived and returns the frames that it completes. DATA bytes may be views into `chunk`.
   *
   * @throws {FrameError} when the bytes are no valid frames.
   */
  push(chunk: Buffer): Frame[] {
    if (chunk.length > 0) {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
    }
    const frames: Frame[] = [];
    for (;;) {
      if (this.#length < 5) return frames;
      const head = this.#peek(5);
      const total = 4 + checkedLength(head);
      if (this.#length < total) return frames;
      frames.push(parse(this.#take(total)));
    }
  }

  /** Whether the stream stops between two frames. */
  get isAtBoundary(): boolean {
    return this.#length === 0;
  }

  #peek(count: number): Buffer {
    const first = this.#chunks[0];
    if (first !== undefined && first.length >= count) return first;
    this.#join();
    return this.#chunks[0] ?? Buffer.alloc(0);
  }

  #take(count: number): Buffer {
    if ((this.#chunks[0]?.length ?? 0) < count) this.#join();
    const first = this.#chunks[0] ?? Buffer.alloc(0);
    const taken = first.subarray(0, count);
    if (first.length === count) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(count);
    this.#length -= count;
    return taken;
  }

  #join(): void {
    this.#chunks = [Buffer.concat(this.#chunks)];
  }
}

function checkedLength(head: Buffer): number {
  const length = head.readUInt32LE(0);
  const number = head.readUInt8(4);
  const kind = nameOfKind[number];
  if (kind === undefined) throw new FrameError(`unknown frame kind ${number}`);
  const payload = length - 5;
  if (payload < 0) throw new FrameError(`frame length ${length} is too short`);
  const [least, most] = payloadBounds[kind];
  if (payload < least || payload > most) {
    throw new FrameError(`a ${kind} frame cannot have ${payload} bytes of payload`);
  }
  return length;
}

const json = [2, limits.guestJsonBytesMax] as const;
const payloadBounds: Readonly<Record<FrameKind, readonly [least: number, most: number]>> = {
  request: json,
  response: json,
  event: json,
  data: [2, 1 + limits.guestDataBytesMax],
  end: [1, 1],
  credit: [5, 5],
  cancel: [0, 0],
  close: [0, 0],
  hello: [helloMagic.length + 2, limits.guestHelloBytesMax],
};

function parse(whole: Buffer): Frame {
  const kind = nameOfKind[whole.readUInt8(4)] as FrameKind; // checkedLength has seen it
  const channel = whole.readUInt32LE(5);
  const payload = whole.subarray(headerBytes);
  if ((kind === "hello") !== (channel === 0)) {
    throw new FrameError(`a ${kind} frame cannot be on channel ${channel}`);
  }
  switch (kind) {
    case "request":
    case "response":
    case "event":
      return { kind, channel, json: payload };
    case "cancel":
    case "close":
      return { kind, channel };
    case "end":
      return { kind, channel, stream: streamNumber(payload) };
    case "credit":
      return { kind, channel, stream: streamNumber(payload), credit: payload.readUInt32LE(1) };
    case "data":
      return { kind, channel, stream: streamNumber(payload), bytes: payload.subarray(1) };
    case "hello":
      if (!payload.subarray(0, helloMagic.length).equals(helloMagic)) {
        throw new FrameError("a hello frame without its magic");
      }
      return { kind, channel: 0, json: payload.subarray(helloMagic.length) };
  }
}

function streamNumber(payload: Buffer): StreamNumber {
  const number = payload.readUInt8(0);
  if (number !== 0 && number !== 1 && number !== 2) throw new FrameError(`no stream ${number}`);
  return number;
}
