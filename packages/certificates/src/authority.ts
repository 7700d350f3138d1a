import "reflect-metadata"; // x509 is built on it and does not bring it
import { webcrypto } from "node:crypto";
import { isIP } from "node:net";

import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const dayMs = 86_400_000;
/** How long an authority lasts. Whoever trusts it has it in a file, so a new one must be rare. */
const authorityDays = 3_650;
/** Certificates count from a day ago: the clock of a machine that was just restored may be behind. */
const backdatedMs = dayMs;

/** A certificate and its private key, both PEM. */
export interface IssuedCertificate {
  readonly certificate: string;
  readonly key: string;
}

/**
 * A certificate authority with an ECDSA key over P-256. All that it issues has one key of its own, made when it
 * is first needed and never written anywhere.
 */
export class Authority {
  /** Its own certificate, PEM: what others must trust. */
  readonly certificate: string;
  readonly #signingKey: webcrypto.CryptoKey;
  readonly #root: X509Certificate;
  #leafKeys: Promise<webcrypto.CryptoKeyPair> | undefined;

  private constructor(root: X509Certificate, signingKey: webcrypto.CryptoKey) {
    this.certificate = `${root.toString("pem")}\n`;
    this.#root = root;
    this.#signingKey = signingKey;
  }

  /** Makes a new one. Both parts are PEM; {@link Authority.load} takes them. */
  static async create(commonName: string, now: Date = new Date()): Promise<IssuedCertificate> {
    const keys = await makeKeys();
    const root = await X509CertificateGenerator.createSelfSigned({
      name: [{ CN: [commonName] }],
      notBefore: new Date(now.getTime() - backdatedMs),
      notAfter: new Date(now.getTime() + authorityDays * dayMs),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return { certificate: `${root.toString("pem")}\n`, key: await keyToPem(keys.privateKey) };
  }

  /** @throws {Error} when the texts are not a certificate and its key. */
  static async load({ certificate, key }: IssuedCertificate): Promise<Authority> {
    const [der] = PemConverter.decode(key);
    if (der === undefined) throw new Error("there is no private key");
    const signingKey = await webcrypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
    const root = new X509Certificate(certificate);
    const probe = Buffer.from("the key belongs to the certificate");
    const signature = await webcrypto.subtle.sign(algorithm, signingKey, probe);
    const publicKey = await root.publicKey.export(algorithm, ["verify"]);
    if (!(await webcrypto.subtle.verify(algorithm, publicKey, signature, probe))) {
      throw new Error("the private key is not the certificate's");
    }
    return new Authority(root, signingKey);
  }

  /**
   * Issues a certificate for servers.
   *
   * @param names Host names, `*.` and a name, or addresses; at least one.
   */
  async issue(
    names: readonly string[],
    days: number,
    now: Date = new Date(),
  ): Promise<IssuedCertificate> {
    const keys = await (this.#leafKeys ??= makeKeys());
    const leaf = await X509CertificateGenerator.create({
      subject: [{ CN: ["Skerry"] }], // clients go by the alternative names; this one may be 64 letters at most
      issuer: this.#root.subject,
      notBefore: new Date(now.getTime() - backdatedMs),
      notAfter: new Date(now.getTime() + days * dayMs),
      signingAlgorithm: algorithm,
      publicKey: keys.publicKey,
      signingKey: this.#signingKey,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
        new SubjectAlternativeNameExtension(
          names.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value })),
        ),
        await AuthorityKeyIdentifierExtension.create(this.#root.publicKey),
      ],
    });
    return { certificate: `${leaf.toString("pem")}\n`, key: await keyToPem(keys.privateKey) };
  }
}

async function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

async function keyToPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey("pkcs8", key);
  return `${PemConverter.encode(der, "PRIVATE KEY")}\n`;
}
