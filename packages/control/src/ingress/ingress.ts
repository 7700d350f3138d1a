import type { TLSSocket } from "node:tls";

import {
  limits,
  SandboxError,
  type ExposeAnswer,
  type ExposeVscodeAnswer,
  type IngressEndpoint,
} from "@skerry/protocol";
import type { Logger } from "pino";

import type { Clock } from "../clock.ts";
import type { Sandbox } from "../sandboxes/sandbox.ts";
import type { ExposeTarget, Store } from "../store/store.ts";
import type { Tokens } from "../tokens/tokens.ts";
import { withToken } from "./access.ts";
import { AcmeCertificate } from "./acme-certificate.ts";
import { openAcmeFiles } from "./acme-files.ts";
import { certify, makeAccountKey, type AcmeOptions } from "./acme.ts";
import type { ServerCertificate } from "./certificate.ts";
import { Exposures, type Exposure } from "./exposures.ts";
import { openIngressFiles, type IngressFiles } from "./files.ts";
import { OperatorCertificate, type CertificateFiles } from "./operator-certificate.ts";
import { OwnCertificate } from "./own-certificate.ts";
import { Requests } from "./requests.ts";
import { IngressServer } from "./server.ts";
import { UrlSigner } from "./url-signer.ts";
import { Zone } from "./zone.ts";

/** How exposed servers are reached. */
export interface IngressOptions {
  /** What it keeps is there. */
  readonly directory: string;
  /** What names end with. */
  readonly baseDomain: string;
  /** The port that clients use when a proxy in front has another; null: the one that it listens on. */
  readonly publicPort: number | null;
  /** The operator's certificate for the base domain; null: one of our own authority. */
  readonly certificateFiles: CertificateFiles | null;
  /** Who certifies the base domain; without it nobody but our own authority. */
  readonly acme?: AcmeOptions | null;
}

interface IngressParts {
  readonly store: Store;
  readonly tokens: Tokens;
  readonly regions: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** The way in: gives names to servers in sandboxes, and serves them to the outside. */
export class Ingress {
  readonly #options: IngressOptions;
  readonly #parts: IngressParts;
  readonly #files: IngressFiles;
  readonly #certificate: ServerCertificate;
  readonly #zone: Zone;
  readonly #exposures: Exposures;
  readonly #signer: UrlSigner;
  #server: IngressServer | null = null;

  private constructor(
    options: IngressOptions,
    parts: IngressParts,
    files: IngressFiles,
    certificate: ServerCertificate,
  ) {
    this.#options = options;
    this.#parts = parts;
    this.#files = files;
    this.#certificate = certificate;
    this.#zone = new Zone(options.baseDomain, parts.regions);
    this.#exposures = new Exposures(parts.store, parts.clock);
    this.#signer = new UrlSigner(files.urlKey);
  }

  /** @throws {Error} when what it keeps, or the operator's certificate, cannot be read. */
  static async open(options: IngressOptions, parts: IngressParts): Promise<Ingress> {
    const { certificateFiles } = options;
    const files = await openIngressFiles(options.directory);
    const certificate =
      certificateFiles === null
        ? await openCertificate(options, parts, files)
        : new OperatorCertificate(certificateFiles, parts.log);
    return new Ingress(options, parts, files, certificate);
  }

  /** Takes up the names of sandboxes of an earlier process. */
  async adopt(sandboxes: readonly Sandbox[]): Promise<void> {
    await this.#exposures.adopt(sandboxes);
  }

  /**
   * Starts to listen. Port 0 takes a free one.
   *
   * @param acceptApi Takes connections for the API.
   */
  async listen(
    host: string,
    port: number,
    acceptApi: (socket: TLSSocket) => void,
  ): Promise<IngressEndpoint> {
    const { tokens, clock, log } = this.#parts;
    const shared = { zone: this.#zone, log };
    const requests = new Requests({
      ...{ ...shared, exposures: this.#exposures, signer: this.#signer, tokens, clock },
    });
    const server = new IngressServer({
      ...{ ...shared, certificate: this.#certificate, requests, acceptApi },
    });
    const taken = await server.listen(host, port);
    this.#server = server;
    this.#zone.publicPort = this.#options.publicPort ?? taken.port;
    const isOurs = this.#options.certificateFiles === null && !this.#options.acme;
    return {
      url: `https://${taken.address.includes(":") ? `[${taken.address}]` : taken.address}:${taken.port}`,
      baseDomain: this.#zone.baseDomain,
      apiUrl: `https://${this.#zone.domainOf("api")}`,
      caFile: isOurs ? this.#files.caFile : null,
      bundleFile: isOurs ? this.#files.bundleFile : null,
    };
  }

  /** Gives a sandbox a name. @throws {SandboxError} `TOO_MANY_NAMES` */
  async expose(
    sandbox: Sandbox,
    {
      isPrivate,
      expiresInMs,
    }: { readonly isPrivate: boolean; readonly expiresInMs: number | null },
  ): Promise<ExposeAnswer> {
    const exposure = await this.#exposures.reserve(sandbox, isPrivate);
    const domain = this.#zone.domainOf(exposure.name);
    const url = new URL(`https://${domain}/`);
    if (!isPrivate) return { domain, url: url.href };
    return { domain, url: this.#signed(exposure, url, expiresInMs) };
  }

  /**
   * Gives a sandbox a private name, with an address that one browser can open once. What comes back is all of the
   * address but `https://`, which is what the official client puts before it.
   *
   * @throws {SandboxError} `TOO_MANY_NAMES`
   */
  async invite(sandbox: Sandbox): Promise<ExposeVscodeAnswer> {
    const exposure = await this.#exposures.reserve(sandbox, true);
    const token = exposure.invitations.issue(this.#parts.clock.now() + limits.privateUrlMs);
    const url = new URL(`https://${this.#zone.domainOf(exposure.name)}/`);
    return { domain: withToken(url, token).slice("https://".length) };
  }

  /**
   * Says what a name leads to.
   *
   * @param domain As {@link expose} or {@link invite} gave it.
   * @throws {SandboxError} `NAME_NOT_FOUND`
   */
  async bind(sandbox: Sandbox, domain: string, target: ExposeTarget): Promise<void> {
    const [host = ""] = domain.split("/", 1);
    const name = this.#zone.nameIn(host);
    if (name === null) throw new SandboxError("NAME_NOT_FOUND");
    await this.#exposures.bind(sandbox, name, target);
  }

  /**
   * Signs an address of a private name.
   *
   * @throws {SandboxError} `NAME_NOT_FOUND` when it is not of the sandbox, `INVALID_REQUEST` when it is
   * no address, or of a name that needs no signature.
   */
  sign(sandbox: Sandbox, url: string, expiresInMs: number | null): string {
    const address = URL.parse(url);
    if (address?.protocol !== "https:") throw new SandboxError("INVALID_REQUEST", "url");
    const name = this.#zone.nameIn(address.host);
    if (name === null) throw new SandboxError("NAME_NOT_FOUND");
    const exposure = this.#exposures.ofSandbox(sandbox, name);
    if (!exposure.isPrivate) {
      throw new SandboxError("INVALID_REQUEST", "url: the name is not private");
    }
    return this.#signed(exposure, address, expiresInMs);
  }

  /** Takes no more connections. Those that are open go on until {@link close}. */
  stopListening(): void {
    this.#server?.stopListening();
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    this.#certificate[Symbol.dispose]();
    await this.#server?.close();
  }

  #signed({ name }: Exposure, url: URL, expiresInMs: number | null): string {
    const untilMs = this.#parts.clock.now() + (expiresInMs ?? limits.privateUrlMs);
    return withToken(url, this.#signer.sign(name, untilMs));
  }
}

async function openCertificate(
  { baseDomain, directory, acme }: IngressOptions,
  { clock, log }: IngressParts,
  { authority }: IngressFiles,
): Promise<ServerCertificate> {
  const own = await OwnCertificate.issue(authority, { baseDomain, clock, log });
  if (!acme) return own;
  const { accountKey, kept, keep } = await openAcmeFiles(directory, makeAccountKey);
  return new AcmeCertificate({
    certify: async () => await certify([baseDomain, `*.${baseDomain}`], accountKey, acme),
    ...{ kept, keep, meanwhile: own, clock, log },
  });
}
