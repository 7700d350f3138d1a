import { X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";

import type { Logger } from "pino";

import type { Clock } from "../clock.ts";
import type { CertificatePair, ServerCertificate } from "./certificate.ts";

const hourMs = 3_600_000;
const firstRestMs = 60_000;
/** A certificate that was there before is renewed when a third of its time is left. */
const renewAt = 2 / 3;

/** What an {@link AcmeCertificate} works with. */
export interface AcmeCertificateOptions {
  /** Has the names certified. */
  readonly certify: () => Promise<CertificatePair>;
  /** What an earlier server has kept, if there is any. */
  readonly kept: CertificatePair | null;
  readonly keep: (pair: CertificatePair) => Promise<void>;
  /** Is shown until there is one. */
  readonly meanwhile: ServerCertificate;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A certificate that an authority of the internet gives, and gives anew. */
export class AcmeCertificate implements ServerCertificate {
  onChange: ServerCertificate["onChange"] = null;
  readonly #options: AcmeCertificateOptions;
  #own: CertificatePair | null = null;
  #timer: Disposable | null = null;
  #restMs = firstRestMs;
  #isOver = false;

  constructor(options: AcmeCertificateOptions) {
    this.#options = options;
    const { kept, meanwhile, clock } = options;
    if (kept !== null && renewalOf(kept) !== null && endOf(kept) > clock.now()) this.#own = kept;
    meanwhile.onChange = (next) => {
      if (this.#own === null) this.onChange?.(next);
    };
    this.#wait(this.#own === null ? 0 : (renewalOf(this.#own) ?? 0) - clock.now());
  }

  get current(): CertificatePair {
    return this.#own ?? this.#options.meanwhile.current;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#timer?.[Symbol.dispose]();
    this.#options.meanwhile[Symbol.dispose]();
  }

  #wait(ms: number): void {
    if (this.#isOver) return;
    const { clock } = this.#options;
    // Far off, it looks again: a clock may be set, and a timer cannot wait for ever.
    this.#timer = clock.setTimer(Math.min(Math.max(ms, 0), 12 * hourMs), () => void this.#look());
  }

  async #look(): Promise<void> {
    const { certify, keep, clock, log } = this.#options;
    const dueMs = this.#own === null ? 0 : (renewalOf(this.#own) ?? 0);
    if (dueMs > clock.now()) return this.#wait(dueMs - clock.now());
    try {
      const next = await certify();
      createSecureContext(next);
      await keep(next);
      if (this.#isOver) return;
      this.#own = next;
      this.#restMs = firstRestMs;
      log.info({ until: new Date(endOf(next)).toISOString() }, "certificate given");
      this.onChange?.(next);
      this.#wait((renewalOf(next) ?? 0) - clock.now());
    } catch (error) {
      log.error({ err: error, nextTryMs: this.#restMs }, "certificate not given");
      this.#wait(this.#restMs);
      this.#restMs = Math.min(this.#restMs * 2, 6 * hourMs);
    }
  }
}

/** When it is to be renewed; null when it is no certificate with its key. */
function renewalOf(pair: CertificatePair): number | null {
  try {
    createSecureContext(pair);
    const startMs = new X509Certificate(pair.cert).validFromDate.getTime();
    return startMs + (endOf(pair) - startMs) * renewAt;
  } catch {
    return null;
  }
}

function endOf({ cert }: CertificatePair): number {
  return new X509Certificate(cert).validToDate.getTime();
}
