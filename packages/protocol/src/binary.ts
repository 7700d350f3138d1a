import { FrameError } from "./frame.ts";
import { limits } from "./limits.ts";

/**
 * Binary messages of `skerry.v1`: a kind, the id of a stream (`u64`, little-endian), and what it is
 * about. See docs/design/0003-binary-streams.md.
 */
export const subprotocols = {
  /** Bytes in binary messages, with credit for each stream. */
  binary: "skerry.v1",
  /** What everybody else speaks; our client offers it too, for a server that has no other. */
  json: "skerry.json",
} as const;

export type BinaryMessage =
  | { readonly kind: "data"; readonly streamId: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "credit"; readonly streamId: number; readonly credit: number };

const kinds = { data: 1, credit: 2 } as const;
const headBytes = 9;

/** Bytes of a stream, 1 to `limits.binaryChunkBytesMax` of them. */
export function encodeStreamData(streamId: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = head(kinds.data, streamId, bytes.length);
  message.set(bytes, headBytes);
  return message;
}

/** The receiver of a stream has room for so many bytes more. */
export function encodeStreamCredit(streamId: number, credit: number): Uint8Array<ArrayBuffer> {
  const message = head(kinds.credit, streamId, 4);
  new DataView(message.buffer).setUint32(headBytes, credit, true);
  return message;
}

/** @throws {FrameError} for a message that makes no sense. */
export function decodeBinary(message: Uint8Array<ArrayBuffer>): BinaryMessage {
  if (message.length <= headBytes) throw new FrameError("a binary message that is too short");
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const id = view.getBigUint64(1, true);
  if (id > BigInt(Number.MAX_SAFE_INTEGER)) throw new FrameError("a stream id that is too great");
  const streamId = Number(id);
  const payload = message.length - headBytes;
  switch (view.getUint8(0)) {
    case kinds.data: {
      if (payload > limits.binaryChunkBytesMax) throw new FrameError("a DATA that is too long");
      return { kind: "data", streamId, bytes: message.subarray(headBytes) };
    }
    case kinds.credit: {
      const credit = payload === 4 ? view.getUint32(headBytes, true) : 0;
      if (credit === 0) throw new FrameError("a CREDIT that grants nothing");
      return { kind: "credit", streamId, credit };
    }
    default:
      throw new FrameError("a binary message of an unknown kind");
  }
}

function head(kind: number, streamId: number, payloadBytes: number): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(headBytes + payloadBytes);
  const view = new DataView(message.buffer);
  view.setUint8(0, kind);
  view.setBigUint64(1, BigInt(streamId), true);
  return message;
}

/** What a sender of one stream may still send, and who waits for more. */
export class StreamCredit {
  #available: number = limits.streamWindowBytes;
  #wake: (() => void) | null = null;

  /** Waits until `bytes`, no more than the window, may be sent, and takes them. One waits at a time. */
  async take(bytes: number): Promise<void> {
    while (this.#available < bytes) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    this.#available -= bytes;
  }

  grant(bytes: number): void {
    this.#available = Math.min(this.#available + bytes, limits.streamWindowBytes);
    this.#wake?.();
  }

  /** Nobody wants more: whoever waits goes on, and finds that out. */
  release(): void {
    this.#available = Number.POSITIVE_INFINITY;
    this.#wake?.();
  }
}

/** What a receiver of one stream has promised, and owes for what its reader has taken. */
export class StreamAllowance {
  #promised: number = limits.streamWindowBytes;
  #taken = 0;

  /** @throws {FrameError} when more arrives than was promised. */
  arrived(bytes: number): void {
    this.#promised -= bytes;
    if (this.#promised < 0) throw new FrameError("more bytes of a stream than its credit");
  }

  /** The reader has taken bytes. @returns what to grant now, which is 0 until it is worth a message. */
  taken(bytes: number): number {
    this.#taken += bytes;
    return this.#taken < limits.streamWindowBytes / 4 ? 0 : this.rest();
  }

  /** What was taken and not granted yet; to be granted now. */
  rest(): number {
    const credit = this.#taken;
    this.#taken = 0;
    this.#promised += credit;
    return credit;
  }
}
