import { Transform, type TransformCallback } from "node:stream";

import { limits, type SecretGrant } from "@skerry/protocol";

/** How long the end of an answer is held back because a secret may begin with it. */
const holdMs = 50;
const star = 0x2a;

/**
 * The forms in which an answer may give secrets back: as they are, in JSON, in a URL, and as base64 of
 * themselves. Best effort: whoever is allowed to have a secret can encode it in ways that nobody foresees.
 */
export function needlesFor(grants: readonly SecretGrant[]): readonly Buffer[] {
  const forms = grants.flatMap(({ value }) => [
    value,
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value),
    Buffer.from(value, "utf8").toString("base64").replace(/=+$/, ""),
  ]);
  return [...new Set(forms)]
    .map((form) => Buffer.from(form, "utf8"))
    .filter(({ length }) => length >= limits.secretMaskBytesMin)
    .toSorted((one, other) => other.length - one.length);
}

/** A header's text, or other text of bytes as Latin-1 letters, with stars for secrets. */
export function maskText(text: string, needles: readonly Buffer[]): string {
  return needles.reduce((masked, needle) => {
    const letters = needle.toString("latin1");
    return masked.replaceAll(letters, "*".repeat(letters.length));
  }, text);
}

/**
 * Puts a star for each byte of a secret, so that nothing changes its length and no frame of a protocol
 * breaks. A secret may be spread over chunks.
 */
export class Mask extends Transform {
  readonly #needles: readonly Buffer[];
  #held: Buffer = Buffer.alloc(0);
  #timer: NodeJS.Timeout | undefined;

  constructor(needles: readonly Buffer[]) {
    super();
    this.#needles = needles;
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    clearTimeout(this.#timer);
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const masked = maskBytes(bytes, this.#needles);
    const ready = masked.length - beginning(masked, this.#needles);
    this.#held = masked.subarray(ready);
    if (this.#held.length > 0) this.#timer = setTimeout(() => this.#release(), holdMs);
    done(null, ready > 0 ? masked.subarray(0, ready) : undefined);
  }

  override _flush(done: TransformCallback): void {
    clearTimeout(this.#timer);
    this.#release();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#timer);
    done(error);
  }

  #release(): void {
    const held = this.#held;
    this.#held = Buffer.alloc(0);
    if (held.length > 0) this.push(held);
  }
}

function maskBytes(bytes: Buffer, needles: readonly Buffer[]): Buffer {
  let masked = bytes;
  for (const needle of needles) {
    for (let at = masked.indexOf(needle); at !== -1; at = masked.indexOf(needle, at)) {
      if (masked === bytes) masked = Buffer.from(bytes); // others may hold the chunk
      masked.fill(star, at, at + needle.length);
      at += needle.length;
    }
  }
  return masked;
}

/** How many bytes at the end are the beginning of a needle. */
function beginning(bytes: Buffer, needles: readonly Buffer[]): number {
  let longest = 0;
  for (const needle of needles) {
    const most = Math.min(needle.length - 1, bytes.length);
    for (let length = most; length > longest; length -= 1) {
      if (bytes.subarray(bytes.length - length).equals(needle.subarray(0, length))) {
        longest = length;
      }
    }
  }
  return longest;
}
