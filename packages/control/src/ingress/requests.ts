import { limits, SandboxError, toSandboxError } from "@skerry/protocol";
import type { Logger } from "pino";

import { loggablePath } from "../api/http.ts";
import type { Clock } from "../clock.ts";
import type { Tokens } from "../tokens/tokens.ts";
import { accessOf } from "./access.ts";
import type { Exchange } from "./exchange.ts";
import type { Exposure, Exposures } from "./exposures.ts";
import { requestHeaders, valuesOf } from "./headers.ts";
import { failurePage, redirectPage, type Page } from "./pages.ts";
import { forward } from "./proxy.ts";
import { tunnel } from "./tunnel.ts";
import type { Upstream } from "./upstream.ts";
import type { UrlSigner } from "./url-signer.ts";
import { hostnameOf, type Zone } from "./zone.ts";

/** What requests from outside are decided by. */
export interface RequestsOptions {
  readonly zone: Zone;
  readonly exposures: Exposures;
  readonly signer: UrlSigner;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Answers requests from outside: by the server that their name leads to, or by a page of ours. */
export class Requests {
  readonly #options: RequestsOptions;

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async answer(exchange: Exchange): Promise<void> {
    const { clock, log } = this.#options;
    const startedMs = clock.now();
    let exposure: Exposure | undefined;
    let status: number;
    try {
      exposure = this.#find(exchange);
      status = await this.#within(exposure, exchange);
    } catch (error) {
      status = this.#fail(exchange, error);
    }
    const durationMs = clock.now() - startedMs;
    const { method } = exchange;
    const path = loggablePath(exchange.path);
    log.debug(
      { name: exposure?.name, method, status, durationMs },
      "request from outside finished",
    );
    if (exposure === undefined) return;
    exposure.of.log.finished({ name: exposure.name, method, path, status, durationMs });
  }

  /** @throws {SandboxError} `NAME_NOT_FOUND` for a name that never was as for one that is over; `MISDIRECTED`. */
  #find({ host, servername }: Exchange): Exposure {
    const { zone, exposures } = this.#options;
    if (!/^[a-zA-Z0-9.-]+(?::\d{1,5})?$/.test(host)) {
      throw new SandboxError("INVALID_REQUEST", "the host");
    }
    // Over HTTP/2 browsers ask for several names over one connection, but the API has its own.
    if (zone.isApi(host)) throw new SandboxError("MISDIRECTED");
    if (servername !== null && zone.isApi(servername)) throw new SandboxError("MISDIRECTED");
    const name = zone.nameIn(host);
    const exposure = name === null ? undefined : exposures.find(name);
    if (exposure === undefined) throw new SandboxError("NAME_NOT_FOUND");
    return exposure;
  }

  /** Counts the request while it is under way. */
  async #within(exposure: Exposure, exchange: Exchange): Promise<number> {
    const { of } = exposure;
    if (of.running >= limits.ingressRequestsMax) throw new SandboxError("TOO_MANY_REQUESTS");
    of.running++;
    try {
      return await this.#pass(exposure, exchange);
    } finally {
      of.running--;
    }
  }

  async #pass(exposure: Exposure, exchange: Exchange): Promise<number> {
    const { signer, clock } = this.#options;
    let { path } = exchange;
    if (exposure.isPrivate) {
      const { name, invitations } = exposure;
      const access = accessOf(exchange, name, { signer, invitations, nowMs: clock.now() });
      if (access.kind === "refused") throw new SandboxError("SIGNATURE_NEEDED");
      if (access.kind === "cookie") return sendPage(exchange, redirectPage(access.headers));
      ({ path } = access);
    }
    const { upstream } = exposure;
    if (upstream === null) throw new SandboxError("NAME_NOT_BOUND");
    return await this.#forward(exchange, upstream, path);
  }

  async #forward(exchange: Exchange, upstream: Upstream, path: string): Promise<number> {
    const { host, remoteAddress } = exchange;
    const withheld = await this.#ownCredentials(exchange);
    const headers = requestHeaders(exchange.headers, { host, remoteAddress, withheld });
    const forwarded = { path, headers };
    if (exchange.isWebSocket) return await tunnel(exchange, upstream, forwarded);
    return await forward(exchange, upstream, forwarded);
  }

  /** The `Authorization` headers that hold a token of this server. */
  async #ownCredentials({ headers }: Exchange): Promise<ReadonlySet<string>> {
    const found = new Set<string>();
    for (const value of valuesOf(headers, "authorization")) {
      const [, token] = /^bearer +(\S+) *$/i.exec(value) ?? [];
      if (token !== undefined && (await this.#options.tokens.isOurs(token))) found.add(value);
    }
    return found;
  }

  /** Says why it failed, if the answer has not begun; else cuts it off. @returns the status. */
  #fail(exchange: Exchange, error: unknown): number {
    const failure = toSandboxError(error);
    if (exchange.isAnswered || exchange.gone.aborted) {
      exchange.cut();
      const isCut = failure.code === "INTERNAL"; // in the middle of the answer
      if (exchange.gone.aborted) return new SandboxError("CANCELLED").status;
      return isCut ? new SandboxError("BAD_ANSWER").status : failure.status;
    }
    const { log } = this.#options;
    if (failure.code === "INTERNAL")
      log.error({ err: failure.cause }, "request from outside failed");
    try {
      return sendPage(exchange, failurePage(failure, exchange.headers));
    } catch (unsaid) {
      log.debug({ err: unsaid, host: hostnameOf(exchange.host) }, "page not sent");
      exchange.cut();
      return failure.status;
    }
  }
}

function sendPage(exchange: Exchange, { head, body }: Page): number {
  const to = exchange.answer(head);
  if (exchange.method !== "HEAD" && body.length > 0) to.write(body);
  exchange.finish([]);
  return head.status;
}
