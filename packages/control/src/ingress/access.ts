import { headers as ours } from "@skerry/protocol";

import { accessCookie, accessCookies } from "./cookies.ts";
import type { Exchange } from "./exchange.ts";
import { valuesOf, type HeaderPair } from "./headers.ts";
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
  { signer, nowMs }: { readonly signer: UrlSigner; readonly nowMs: number },
): Access {
  const { path, token } = withoutToken(exchange.path);
  const expiryOf = (candidate: string): number | null => signer.verify(candidate, name, nowMs);
  const untilMs = token === null ? null : expiryOf(token);
  if (untilMs !== null) {
    if (!isNavigation(exchange)) return { kind: "granted", path };
    const seconds = Math.max(1, Math.floor((untilMs - nowMs) / 1_000));
    const headers: HeaderPair[] = [
      ["location", `https://${exchange.host}${path}`],
      ["set-cookie", cookieOf(token ?? "", seconds)],
      ["cache-control", "no-store"],
      ["referrer-policy", "no-referrer"],
    ];
    return { kind: "cookie", headers };
  }
  const cookies = isOwnRequest(exchange) ? valuesOf(exchange.headers, "cookie") : [];
  const others = [...valuesOf(exchange.headers, ours.urlToken), ...cookies.flatMap(accessCookies)];
  const isKnown = others.some((candidate) => expiryOf(candidate) !== null);
  return isKnown ? { kind: "granted", path } : { kind: "refused" };
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

/** Whether whoever asks is a browser that shows a page. */
export function wantsHtml(headers: readonly HeaderPair[]): boolean {
  return valuesOf(headers, "accept").some((value) => value.includes("text/html"));
}

function cookieOf(token: string, seconds: number): string {
  const attributes = "Path=/; Secure; HttpOnly; SameSite=Lax; Partitioned";
  return `${accessCookie}=${token}; Max-Age=${seconds}; ${attributes}`;
}
