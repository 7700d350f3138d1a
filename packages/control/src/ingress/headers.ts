import { headers as ours } from "@skerry/protocol";

import { withoutCookie, withoutForeignDomain } from "./cookies.ts";
import { hostnameOf } from "./zone.ts";

/** A header's name, as it came, and its value. */
export type HeaderPair = [name: string, value: string];

/** Names and values one after the other, as Node has them, in pairs. */
export function pairsOf(raw: readonly string[]): HeaderPair[] {
  const pairs: HeaderPair[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) pairs.push([raw[at] ?? "", raw[at + 1] ?? ""]);
  return pairs;
}

/** The values of a header. @param name In small letters. */
export function valuesOf(headers: readonly HeaderPair[], name: string): string[] {
  return headers.flatMap(([each, value]) => (each.toLowerCase() === name ? [value] : []));
}

/** What belongs to one connection, and not to the message (RFC 9110, 7.6.1). */
const ofTheConnection: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

/** The headers that a `Connection` header names are its own too. */
function namedByConnection(headers: readonly HeaderPair[]): ReadonlySet<string> {
  const names = valuesOf(headers, "connection").flatMap((value) => value.split(","));
  return new Set(names.map((name) => name.trim().toLowerCase()));
}

function endToEnd(headers: readonly HeaderPair[]): HeaderPair[] {
  const named = namedByConnection(headers);
  return headers.filter(([name]) => {
    const key = name.toLowerCase();
    return !ofTheConnection.has(key) && !named.has(key);
  });
}

/** Who asks, and what for. */
export interface RequestOrigin {
  /** The host that the client has named, with its port. */
  readonly host: string;
  readonly remoteAddress: string;
  /** The values of `Authorization` headers that are for us and nobody else. */
  readonly withheld: ReadonlySet<string>;
}

/** What of a request's headers goes to the server in the machine, and what it is told beside them. */
export function requestHeaders(
  given: readonly HeaderPair[],
  { host, remoteAddress, withheld }: RequestOrigin,
): HeaderPair[] {
  const kept = endToEnd(given).flatMap(([name, value]): HeaderPair[] => {
    const key = name.toLowerCase();
    if (key === "host" || key === ours.urlToken || isClaim(key)) return [];
    if (key === "authorization" && withheld.has(value)) return [];
    if (key !== "cookie") return [[name, value]];
    const rest = withoutCookie(value);
    return rest === "" ? [] : [[name, rest]];
  });
  const node = remoteAddress.includes(":") ? `"[${remoteAddress}]"` : remoteAddress;
  return [
    ["host", host],
    ...joinedCookies(kept),
    ["x-forwarded-for", remoteAddress],
    ["x-forwarded-host", host],
    ["x-forwarded-proto", "https"],
    ["forwarded", `for=${node};host="${host}";proto=https`],
  ];
}

/** What only the nearest proxy can know, so that a client that sends it has made it up. */
function isClaim(key: string): boolean {
  return key === "forwarded" || key === "x-real-ip" || key.startsWith("x-forwarded-");
}

/** HTTP/2 may send cookies one by one, HTTP/1 has them in one header. */
function joinedCookies(headers: readonly HeaderPair[]): HeaderPair[] {
  const cookies = valuesOf(headers, "cookie");
  if (cookies.length < 2) return [...headers];
  const others = headers.filter(([name]) => name.toLowerCase() !== "cookie");
  return [...others, ["cookie", cookies.join("; ")]];
}

/**
 * Headers of an answer by which a server would reach beyond its name: to where else it is served, and into
 * the cookies and stores of all names below the base domain.
 */
const beyondTheName: ReadonlySet<string> = new Set(["alt-svc", "clear-site-data"]);

/** What of an answer's headers goes to the client. @param host The name that it asked for. */
export function answerHeaders(given: readonly HeaderPair[], host: string): HeaderPair[] {
  return endToEnd(given).flatMap(([name, value]): HeaderPair[] => {
    const key = name.toLowerCase();
    if (beyondTheName.has(key)) return [];
    if (key !== "set-cookie") return [[name, value]];
    const cookie = withoutForeignDomain(value, hostnameOf(host));
    return cookie === null ? [] : [[name, cookie]];
  });
}

/** Fields that decide how a message is read or whose it is, which nothing at its end may change (RFC 9110, 6.5.1). */
const neverATrailer: ReadonlySet<string> = new Set([
  ...ofTheConnection,
  ...["authorization", "cookie", "set-cookie", "content-encoding", "content-length"],
  ...["content-range", "content-type", "host", "location", "expect", "forwarded"],
]);

/** What of trailers goes on. */
export function trailers(given: readonly HeaderPair[]): HeaderPair[] {
  return given.filter(([name]) => {
    const key = name.toLowerCase();
    return !neverATrailer.has(key) && !isClaim(key) && !key.startsWith(":");
  });
}
