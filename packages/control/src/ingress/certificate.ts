/** A certificate and its key, both PEM. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

/** The certificate that the ingress shows, which changes while it runs. */
export interface ServerCertificate extends Disposable {
  readonly current: CertificatePair;
  /** Is called with each new one. */
  onChange: ((next: CertificatePair) => void) | null;
}
