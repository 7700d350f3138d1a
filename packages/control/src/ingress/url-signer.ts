import { createHmac, timingSafeEqual } from "node:crypto";

const format = /^(\d{1,16})\.([A-Za-z0-9_-]{43})$/;

/** Signs addresses of private names with a key of this installation. A signature is for one name and until a time. */
export class UrlSigner {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** A token that lets requests in to `name` until `expiresAtMs`, in Unix ms. */
  sign(name: string, expiresAtMs: number): string {
    return `${expiresAtMs}.${this.#mac(name, String(expiresAtMs)).toString("base64url")}`;
  }

  /** When a token for `name` expires, in Unix ms; null when it is none, or has expired at `nowMs`. */
  verify(token: string, name: string, nowMs: number): number | null {
    const [, expires = "", mac = ""] = format.exec(token) ?? [];
    const expected = this.#mac(name, expires);
    const given = Buffer.from(mac, "base64url");
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
    // The last letter has bits that mean nothing: only the way in which we write it counts.
    if (given.toString("base64url") !== mac) return null;
    const expiresAtMs = Number(expires);
    return expiresAtMs > nowMs ? expiresAtMs : null;
  }

  #mac(name: string, expires: string): Buffer {
    return createHmac("sha256", this.#key).update(`skerry url\0${name}\0${expires}`).digest();
  }
}
