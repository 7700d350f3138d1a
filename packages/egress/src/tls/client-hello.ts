/**
 * What the first bytes of a connection say: that it is TLS, the server that is meant and the protocols
 * that the client offers; that it is something else; or that there must be more of them.
 */
export type Opening =
  | {
      readonly kind: "tls";
      /** As the client has written it; null when it names none. */
      readonly serverName: string | null;
      readonly protocols: readonly string[];
    }
  | { readonly kind: "other" }
  | { readonly kind: "incomplete" };

const other: Opening = { kind: "other" };
const incomplete: Opening = { kind: "incomplete" };

const handshakeRecord = 22;
const clientHello = 1;
const serverNameExtension = 0;
const protocolsExtension = 16;
const hostName = 0;

/**
 * Reads a ClientHello (RFC 8446, 4.1.2), which may be spread over several records.
 *
 * @param bytes The first bytes of the connection; whoever calls limits how many there may be.
 */
export function readOpening(bytes: Uint8Array): Opening {
  const message = handshakeOf(bytes);
  if (!(message instanceof Uint8Array)) return message;
  try {
    return readHello(new Reader(message.subarray(4)));
  } catch (error) {
    if (error instanceof RangeError) return other; // lengths that lead nowhere
    throw error;
  }
}

/** The handshake message that the records carry, with its header of four bytes. */
function handshakeOf(bytes: Uint8Array): Uint8Array | Opening {
  const parts: Uint8Array[] = [];
  let size = 0;
  let wanted = 4;
  for (let at = 0; size < wanted;) {
    if (bytes.length > at && bytes[at] !== handshakeRecord) return other;
    if (bytes.length > at + 1 && bytes[at + 1] !== 3) return other;
    if (bytes.length < at + 5) return incomplete;
    const length = (byteOf(bytes, at + 3) << 8) | byteOf(bytes, at + 4);
    if (length === 0 || length > 16_384) return other;
    const part = bytes.subarray(at + 5, at + 5 + length);
    parts.push(part);
    size += part.length;
    if (size >= 1 && wanted === 4) {
      const head = Buffer.concat(parts).subarray(0, 4);
      if (head[0] !== clientHello) return other;
      if (head.length === 4) wanted = 4 + head.readUIntBE(1, 3);
    }
    if (size >= wanted && wanted > 4) break;
    if (part.length < length) return incomplete;
    at += 5 + length;
  }
  return Buffer.concat(parts).subarray(0, wanted);
}

function readHello(hello: Reader): Opening {
  hello.take(2 + 32); // version and random
  hello.take(hello.number(1)); // session
  hello.take(hello.number(2)); // cipher suites
  hello.take(hello.number(1)); // compression
  let serverName: string | null = null;
  let protocols: readonly string[] = [];
  const extensions = hello.isAtEnd ? new Reader(new Uint8Array()) : hello.block(2);
  while (!extensions.isAtEnd) {
    const type = extensions.number(2);
    const body = extensions.block(2);
    if (type === serverNameExtension) serverName = readServerName(body);
    if (type === protocolsExtension) protocols = readProtocols(body);
  }
  return { kind: "tls", serverName, protocols };
}

function readServerName(body: Reader): string | null {
  const list = body.block(2);
  while (!list.isAtEnd) {
    const type = list.number(1);
    const name = list.block(2);
    if (type === hostName) return name.text();
  }
  return null;
}

function readProtocols(body: Reader): readonly string[] {
  const list = body.block(2);
  const names: string[] = [];
  while (!list.isAtEnd) names.push(list.block(1).text());
  return names;
}

/** Reads numbers and blocks; throws RangeError where there are not enough bytes. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError("the message ends too early");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  number(size: number): number {
    return this.take(size).reduce((value, byte) => value * 256 + byte, 0);
  }

  /** What follows its length, which has `size` bytes. */
  block(size: number): Reader {
    return new Reader(this.take(this.number(size)));
  }

  text(): string {
    return Buffer.from(this.#bytes).toString("latin1");
  }
}

function byteOf(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}
