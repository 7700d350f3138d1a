import type { Authority } from "@skerry/certificates";
import type { Logger } from "pino";

import type { Clock } from "../clock.ts";
import type { CertificatePair, ServerCertificate } from "./certificate.ts";

const dayMs = 86_400_000;
const lifeDays = 90;
const lookEveryMs = dayMs / 2;

/** A certificate of our own authority for all names, issued anew when half of its time is over. */
export class OwnCertificate implements ServerCertificate {
  onChange: ServerCertificate["onChange"] = null;
  readonly #authority: Authority;
  readonly #baseDomain: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  #current: CertificatePair;
  #issuedAtMs: number;
  #timer: Disposable | null = null;

  private constructor(
    first: CertificatePair,
    authority: Authority,
    { baseDomain, clock, log }: OwnCertificateOptions,
  ) {
    this.#current = first;
    this.#authority = authority;
    this.#baseDomain = baseDomain;
    this.#clock = clock;
    this.#log = log;
    this.#issuedAtMs = clock.now();
    this.#wait();
  }

  static async issue(
    authority: Authority,
    options: OwnCertificateOptions,
  ): Promise<OwnCertificate> {
    const { baseDomain, clock } = options;
    const first = await issue(authority, baseDomain, clock.now());
    return new OwnCertificate(first, authority, options);
  }

  get current(): CertificatePair {
    return this.#current;
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
  }

  #wait(): void {
    this.#timer = this.#clock.setTimer(lookEveryMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    this.#wait();
    const now = this.#clock.now();
    if (now - this.#issuedAtMs < (lifeDays * dayMs) / 2) return;
    try {
      this.#current = await issue(this.#authority, this.#baseDomain, now);
      this.#issuedAtMs = now;
      this.onChange?.(this.#current);
    } catch (error) {
      this.#log.error({ err: error }, "certificate not renewed"); // the next look tries again
    }
  }
}

interface OwnCertificateOptions {
  readonly baseDomain: string;
  readonly clock: Clock;
  readonly log: Logger;
}

async function issue(
  authority: Authority,
  baseDomain: string,
  nowMs: number,
): Promise<CertificatePair> {
  const names = [`*.${baseDomain}`, baseDomain];
  const { certificate, key } = await authority.issue(names, lifeDays, new Date(nowMs));
  return { cert: certificate, key };
}
