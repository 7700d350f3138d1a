import { Buffer } from "node:buffer";

/** Bytes as the wire carries them. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** The bytes of a text that is known to be base64, in a buffer of their own. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const decoded = Buffer.from(text, "base64");
  // Small buffers share a pool, which cannot be handed on to a byte stream.
  return decoded.byteLength === decoded.buffer.byteLength
    ? new Uint8Array(decoded.buffer)
    : new Uint8Array(decoded);
}
