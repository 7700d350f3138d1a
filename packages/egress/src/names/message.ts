import {
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
} from "dns-packet";
import type { DecodedPacket, Packet } from "dns-packet";

/** A question of a machine, as far as it is understood. */
export interface Question {
  readonly id: number;
  readonly name: string;
  /** `"A"` and so on, or `"UNKNOWN_65"`. */
  readonly type: string;
  /** The question itself, to be repeated in the answer. */
  readonly packet: DecodedPacket;
}

/** RFC 1035, 4.1.1, and RFC 2136. */
export const responseCode = {
  ok: 0,
  serverFailure: 2,
  noSuchName: 3,
  notImplemented: 4,
  refused: 5,
} as const;
export type ResponseCode = (typeof responseCode)[keyof typeof responseCode];

const headBytes = 12;

/** The one question of a message; null when it is none that can be answered. */
export function readQuestion(bytes: Buffer): Question | null {
  let packet: DecodedPacket;
  try {
    packet = decode(bytes);
  } catch {
    return null; // hostile, or not of this protocol
  }
  const [question] = packet.questions ?? [];
  const isOrdinary = (((packet.flags ?? 0) >> 11) & 0xf) === 0; // the opcode QUERY
  const isQuery = packet.type === "query" && isOrdinary && packet.questions?.length === 1;
  if (!isQuery || question === undefined || question.class !== "IN") return null;
  // A label may hold dots and bytes that are no text: such a name would be taken for another one.
  const again = encode({ questions: [question] }).subarray(headBytes);
  if (!again.equals(bytes.subarray(headBytes, headBytes + again.length))) return null;
  return { id: packet.id ?? 0, name: question.name.toLowerCase(), type: question.type, packet };
}

export interface AddressAnswer {
  readonly address: string;
  /** Seconds. */
  readonly ttl: number;
}

/** The answer to a question: addresses, or none. */
export function writeAnswer(
  { id, packet }: Question,
  code: ResponseCode,
  addresses: readonly AddressAnswer[] = [],
): Buffer {
  const [question] = packet.questions ?? [];
  const name = question?.name ?? ".";
  const message: Packet = {
    id,
    type: "response",
    flags: ((packet.flags ?? 0) & RECURSION_DESIRED) | RECURSION_AVAILABLE | code,
    questions: packet.questions ?? [],
    answers: addresses.map(({ address, ttl }) => ({
      ...{ type: "A" as const, class: "IN" as const, name, ttl, data: address },
    })),
  };
  return encode({ ...message, flags: (message.flags ?? 0) & ~AUTHORITATIVE_ANSWER });
}
