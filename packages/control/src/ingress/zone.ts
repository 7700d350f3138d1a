import { randomBytes } from "node:crypto";

import { letters } from "@skerry/protocol";

const nameLetters = 24; // 5 bits each: 120 bits, so that nobody finds one and none is given twice

/** A new name. */
export function makeName(): string {
  return letters(randomBytes(nameLetters), nameLetters);
}

/** The host of a `Host` header, a URL or a server name as names are compared: without a port, in small letters. */
export function hostnameOf(host: string): string {
  return host.replace(/:\d*$/, "").replace(/\.$/, "").toLowerCase();
}

/** The part of the name space that is ours. */
export class Zone {
  readonly baseDomain: string;
  /** The port that clients use. It is known when somebody listens there, or in front of us. */
  publicPort = 443;
  readonly #apiNames: ReadonlySet<string>;

  /** @param regions The API is at their names too, which is how the official clients say which one they want. */
  constructor(baseDomain: string, regions: readonly string[]) {
    this.baseDomain = baseDomain;
    this.#apiNames = new Set(["api", ...regions]);
  }

  /** What follows `https://` in the address of a name. */
  domainOf(name: string): string {
    const port = this.publicPort === 443 ? "" : `:${this.publicPort}`;
    return `${name}.${this.baseDomain}${port}`;
  }

  isApi(host: string): boolean {
    return this.#apiNames.has(this.nameIn(host) ?? "");
  }

  /** The name that a host consists of, beside the base domain; null when it is none of ours. */
  nameIn(host: string): string | null {
    const hostname = hostnameOf(host);
    const end = `.${this.baseDomain}`;
    if (!hostname.endsWith(end)) return null;
    const name = hostname.slice(0, -end.length);
    return /^[a-z0-9-]+$/.test(name) ? name : null;
  }
}
