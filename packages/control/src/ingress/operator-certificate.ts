import { readFileSync, unwatchFile, watchFile } from "node:fs";
import { createSecureContext } from "node:tls";

import type { Logger } from "pino";

import type { CertificatePair, ServerCertificate } from "./certificate.ts";

/** Files are often links to where the newest is, so they are looked at, not watched. */
const lookEveryMs = 5_000;

/** Where the operator keeps a certificate, with its chain, and its key; both PEM. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** The operator's certificate, read again when its files change. */
export class OperatorCertificate implements ServerCertificate {
  onChange: ServerCertificate["onChange"] = null;
  readonly #files: CertificateFiles;
  readonly #log: Logger;
  #current: CertificatePair;

  /** @throws {Error} when the files cannot be read, or are no certificate and its key. */
  constructor(files: CertificateFiles, log: Logger, everyMs: number = lookEveryMs) {
    this.#files = files;
    this.#log = log;
    this.#current = read(files);
    for (const file of [files.certFile, files.keyFile]) {
      watchFile(file, { interval: everyMs, persistent: false }, this.#look);
    }
  }

  get current(): CertificatePair {
    return this.#current;
  }

  [Symbol.dispose](): void {
    const { certFile, keyFile } = this.#files;
    for (const file of [certFile, keyFile]) unwatchFile(file, this.#look);
  }

  readonly #look = (): void => {
    try {
      const next = read(this.#files);
      if (next.cert === this.#current.cert && next.key === this.#current.key) return;
      this.#current = next;
      this.#log.info("certificate read again");
      this.onChange?.(next);
    } catch (error) {
      // Of the two files one may be there before the other; the other's change follows.
      this.#log.warn({ err: error }, "certificate not read; the one before goes on");
    }
  };
}

function read({ certFile, keyFile }: CertificateFiles): CertificatePair {
  const pair = { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
  try {
    createSecureContext(pair);
  } catch (cause) {
    throw new Error(`${certFile} and ${keyFile} are no certificate and its key`, { cause });
  }
  return pair;
}
