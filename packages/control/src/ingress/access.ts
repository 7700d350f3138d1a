import { headers as ours, limits } from "@skerry/protocol";

import { accessCookie, accessCookies } from "./cookies.ts";
import type { Exchange } from "./exchange.ts";
import { valuesOf, type HeaderPair } from "./headers.ts";
import type { Invitations } from "./invitations.ts";
import type { UrlSigner } from "./url-signer.ts";

/** The parameter of a signed address. */
export const urlParameter = "skerry-token";

/** What becomes of a request to a private name. */
export type Access =
  /** It goes on, to this path: the signature is for us alone. */
  | { readonly kind: "granted"; readonly path: string }
  /** A browser gets a cookie in the place of the address, which would end up in histories and logs. */
  | { readonly kind: "cookie"; readonly headers: readonly HeaderPair[] }
  | { readonly kind: "refused" };

/** Decides about a request to the private name `name`. */
export function accessOf(
  exchange: Pick<Exchange, "method" | "path" | "host" | "headers" | "isWebSocket">,
  name: string,
  { signer, invitations, nowMs }: AccessRules,
): Access {
  const { path, token } = withoutToken(exchange.path);
  const expiryOf = (candidate: string): number | null => signer.verify(candidate, name, nowMs);
  const enter = (signature: string, untilMs: number): Access => ({
    kind: "cookie",
    headers: [
      ["location", `https://${exchange.host}${path}`],
      ["set-cookie", cookieOf(signature, Math.max(1, Math.floor((untilMs - nowMs) / 1_000)))],
      ["cache-control", "no-store"],
      ["referrer-policy", "no-referrer"],
    ],
  });
  const untilMs = token === null ? null : expiryOf(token);
  if (token !== null && untilMs !== null) {
    return isNavigation(exchange) ? enter(token, untilMs) : { kind: "granted", path };
  }
  const cookies = isOwnRequest(exchange) ? valuesOf(exchange.headers, "cookie") : [];
  const others = [...valuesOf(exchange.headers, ours.urlToken), ...cookies.flatMap(accessCookies)];
  const isKnown = others.some((candidate) => expiryOf(candidate) !== null);
  if (isKnown) return { kind: "granted", path };
  if (token === null || !isOpening(exchange) || !invitations.redeem(token, nowMs)) {
    return { kind: "refused" };
  }
  const invitedUntilMs = nowMs + limits.privateUrlMaxMs;
  return enter(signer.sign(name, invitedUntilMs), invitedUntilMs);
}

/** What decides. */
export interface AccessRules {
  readonly signer: UrlSigner;
  /** Those of the name. */
  readonly invitations: Invitations;
  readonly nowMs: number;
}

/** An address with a token. @param url Any address of the name. */
export function withToken(url: URL, token: string): string {
  const signed = new URL(url);
  signed.searchParams.set(urlParameter, token);
  return signed.href;
}

/** A path without our parameter; all else of it stays as it is, letter by letter. */
function withoutToken(path: string): { readonly path: string; readonly token: string | null } {
  const at = path.indexOf("?");
  if (at === -1) return { path, token: null };
  const prefix = `${urlParameter}=`;
  const parts = path.slice(at + 1).split("&");
  const token = parts.find((part) => part.startsWith(prefix));
  if (token === undefined) return { path, token: null };
  const rest = parts.filter((part) => !part.startsWith(prefix)).join("&");
  return {
    path: rest === "" ? path.slice(0, at) : `${path.slice(0, at)}?${rest}`,
    token: token.slice(prefix.length),
  };
}

/**
 * Whether a cookie says anything about who wants this. Names below one base domain are one site for browsers, so a page
 * of a neighbour could have them send it, and read what comes over a WebSocket.
 */
function isOwnRequest({ host, headers }: Pick<Exchange, "host" | "headers">): boolean {
  const [origin] = valuesOf(headers, "origin");
  if (origin !== undefined && origin.toLowerCase() !== `https://${host.toLowerCase()}`)
    return false;
  const [from = "none"] = valuesOf(headers, "sec-fetch-site");
  const [mode] = valuesOf(headers, "sec-fetch-mode");
  return from === "same-origin" || from === "none" || mode === "navigate";
}

/** Programs do not keep cookies, and what is not read alone cannot be sent again to another address. */
function isNavigation({
  method,
  headers,
  isWebSocket,
}: Pick<Exchange, "method" | "headers" | "isWebSocket">): boolean {
  const isReading = method === "GET" || method === "HEAD";
  return isReading && !isWebSocket && wantsHtml(headers);
}

/** Whether somebody opens the page now: what only looks ahead, or at a link in a message, must use no invitation up. */
function isOpening(exchange: Pick<Exchange, "method" | "headers" | "isWebSocket">): boolean {
  const { method, headers } = exchange;
  const isAhead = ["sec-purpose", "purpose"].some((name) => valuesOf(headers, name).length > 0);
  return method === "GET" && isNavigation(exchange) && !isAhead;
}

/** Whether whoever asks is a browser that shows a page. */
export function wantsHtml(headers: readonly HeaderPair[]): boolean {
  return valuesOf(headers, "accept").some((value) => value.includes("text/html"));
}

function cookieOf(token: string, seconds: number): string {
  const attributes = "Path=/; Secure; HttpOnly; SameSite=Lax; Partitioned";
  return `${accessCookie}=${token}; Max-Age=${seconds}; ${attributes}`;
}
