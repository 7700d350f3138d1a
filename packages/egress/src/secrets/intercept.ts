import { isIP, type Socket } from "node:net";
import {
  connect,
  createSecureContext,
  getCACertificates,
  rootCertificates,
  TLSSocket,
  type SecureContext,
} from "node:tls";

import { IssuedCertificates, type Authority, type IssuedCertificate } from "@skerry/certificates";
import { limits, type Destination } from "@skerry/protocol";

import type { Line } from "./admit.ts";
import { serveHttp1 } from "./http1.ts";
import { serveHttp2 } from "./http2.ts";

/** How long a certificate for a host lasts, in days. */
const certificateDays = 7;
const known: ReadonlySet<string> = new Set(["h2", "http/1.1"]);
/** Alerts of TLS (RFC 8446, 6.2). */
const alerts = { handshakeFailure: 40, badCertificate: 42 } as const;

/** A connection of a machine that is to be opened up. */
export interface Interception {
  readonly machine: Socket;
  /** What was read of it. */
  readonly opened: Buffer;
  /** What the machine offers to speak. */
  readonly protocols: readonly string[];
  readonly line: Line;
  /** Connects to where the machine may go. @throws {Error} when nobody answers. */
  readonly dial: () => Promise<Socket>;
}

/**
 * Stands between machines and the servers that secrets are for. Towards a server it is a client that insists
 * on a good certificate; towards the machine it is the server, by a certificate that only machines trust.
 */
export class Interceptor {
  readonly #certificates: IssuedCertificates;
  readonly #contexts = new WeakMap<IssuedCertificate, SecureContext>();
  readonly #trust: SecureContext;

  /** @param trusted Authorities that servers may be vouched for by, PEM, beside those of this host. */
  constructor(authority: Authority, trusted: readonly string[]) {
    const countMax = limits.egressCertificatesMax;
    this.#certificates = new IssuedCertificates(authority, { days: certificateDays, countMax });
    const ofHost = getCACertificates("system");
    this.#trust = createSecureContext({
      ca: [...(ofHost.length > 0 ? ofHost : rootCertificates), ...trusted],
      minVersion: "TLSv1.2",
    });
  }

  /**
   * Joins a machine's connection to the server, once the server has shown that it is the one. Never rejects:
   * a machine that cannot be served sees its handshake fail.
   */
  async intercept(interception: Interception): Promise<void> {
    const { machine, line, protocols } = interception;
    const offered = protocols.filter((protocol) => known.has(protocol));
    let server: TLSSocket;
    try {
      server = await this.#open(interception, offered);
    } catch (error) {
      const isBad = error instanceof BadCertificateError;
      line.refuse(isBad ? "bad-certificate" : "no-answer");
      machine.end(alert(isBad ? alerts.badCertificate : alerts.handshakeFailure));
      machine.resume(); // so that its end is seen
      return;
    }
    machine.once("close", () => server.destroy());
    const spoken =
      server.alpnProtocol === false || server.alpnProtocol === null ? null : server.alpnProtocol;
    try {
      const secured = await this.#accept(interception, spoken);
      if (spoken === "h2") serveHttp2(secured, server, line);
      else {
        const redial = async () =>
          await this.#open(
            interception,
            offered.filter((each) => each !== "h2"),
          );
        serveHttp1(secured, { ...line, upstream: server, redial });
      }
    } catch {
      machine.destroy(); // it does not trust us, or has gone
      server.destroy();
    }
  }

  async #open({ dial, line }: Interception, offered: readonly string[]): Promise<TLSSocket> {
    const host = hostOf(line.to);
    const secured = connect({
      socket: await dial(),
      secureContext: this.#trust,
      ...(offered.length > 0 && { ALPNProtocols: [...offered] }),
      ...(isIP(host) === 0 && { servername: host }),
      host,
      rejectUnauthorized: false, // so that we can tell why; see below
    });
    await settled(secured, "secureConnect");
    if (!secured.authorized) {
      secured.destroy();
      throw new BadCertificateError(String(secured.authorizationError));
    }
    return secured;
  }

  async #accept(
    { machine, opened, line }: Interception,
    spoken: string | null,
  ): Promise<TLSSocket> {
    const issued = await this.#certificates.get(hostOf(line.to));
    let context = this.#contexts.get(issued);
    if (context === undefined) {
      const { certificate: cert, key } = issued;
      context = createSecureContext({ cert, key, minVersion: "TLSv1.2" });
      this.#contexts.set(issued, context);
    }
    machine.unshift(opened);
    const secured = new TLSSocket(machine, {
      isServer: true,
      secureContext: context,
      ...(spoken !== null && { ALPNProtocols: [spoken] }),
    });
    await settled(secured, "secure");
    return secured;
  }
}

class BadCertificateError extends Error {
  override readonly name = "BadCertificateError";
}

/** @throws {Error} when the handshake fails, or takes too long. */
async function settled(socket: TLSSocket, event: "secure" | "secureConnect"): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const late = setTimeout(
    () => reject(new Error("the handshake takes too long")),
    limits.egressHelloMs,
  );
  const closed = (): void => reject(new Error("the connection has ended"));
  socket.once(event, resolve).on("error", reject).once("close", closed);
  try {
    await promise;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(late);
    socket.off("close", closed);
  }
}

function hostOf(to: Destination): string {
  return to.kind === "name" ? to.name : to.address;
}

/** A fatal alert, as a server sends it that cannot go on with the handshake. */
function alert(description: number): Buffer {
  return Buffer.from([21, 3, 3, 0, 2, 2, description]);
}
