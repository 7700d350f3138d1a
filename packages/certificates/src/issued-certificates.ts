import type { Authority, IssuedCertificate } from "./authority.ts";

const dayMs = 86_400_000;

export interface IssuedCertificatesOptions {
  /** How long each lasts; it is issued anew when half of that is over. */
  readonly days: number;
  /** How many are kept; those that were asked for the longest ago go first. */
  readonly countMax: number;
  /** Default: the system's clock, in ms. */
  readonly now?: () => number;
}

/** The certificates of an authority, each issued when it is first asked for and kept while it is good. */
export class IssuedCertificates {
  readonly #authority: Authority;
  readonly #options: Required<IssuedCertificatesOptions>;
  readonly #kept = new Map<string, { issued: Promise<IssuedCertificate>; untilMs: number }>();

  constructor(authority: Authority, options: IssuedCertificatesOptions) {
    this.#authority = authority;
    this.#options = { now: Date.now, ...options };
  }

  /** The same object while it is good, so that what is made of it can be kept by it. */
  async get(name: string): Promise<IssuedCertificate> {
    const { days, countMax, now } = this.#options;
    const kept = this.#kept.get(name);
    this.#kept.delete(name);
    const entry =
      kept !== undefined && kept.untilMs > now()
        ? kept
        : {
            issued: this.#authority.issue([name], days, new Date(now())),
            untilMs: now() + (days * dayMs) / 2,
          };
    this.#kept.set(name, entry);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > countMax && oldest !== undefined) this.#kept.delete(oldest);
    return await entry.issued;
  }
}
