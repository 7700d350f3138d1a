import type { IncomingMessage } from "node:http";

import { GuestError, limits, SandboxError, type Guest } from "@skerry/protocol";

import { CallFailure, throwing } from "../failures.ts";
import { connect, type Route } from "./connect.ts";
import { exchange } from "./exchange.ts";

export interface FetchRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: readonly (readonly [string, string])[];
  /** Can be read once. */
  readonly body: AsyncIterable<Uint8Array> | null;
}

export type RedirectMode = "follow" | "manual" | "error";

/**
 * Does what `fetch` does, from inside the machine.
 *
 * @param signal Ends it at any time, also while the body of the answer is read.
 * @throws {CallFailure} `TypeError` as fetch throws it: no connection, bad redirects, bad answers.
 */
export async function fetchFrom(
  guest: Guest,
  first: FetchRequest,
  { route, redirect }: { readonly route: Route; readonly redirect: RedirectMode },
  signal: AbortSignal,
): Promise<IncomingMessage> {
  let request = first;
  for (let redirects = 0; ; redirects += 1) {
    const answer = await attempt(guest, request, route, signal);
    const location = locationOf(answer);
    if (location === undefined || redirect === "manual") return answer;
    answer.destroy();
    if (redirect === "error") throw failed(request.url, "the server redirects");
    if (redirects === limits.fetchRedirectsMax) throw failed(first.url, "too many redirects");
    request = redirected(request, answer.statusCode ?? 0, location);
  }
}

async function attempt(
  guest: Guest,
  request: FetchRequest,
  route: Route,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new Error(`no answer in ${limits.fetchHeadMs / 1_000} s`)),
    limits.fetchHeadMs,
  );
  const until = AbortSignal.any([signal, late.signal]);
  try {
    const connection = await connect(guest, request.url, route, until);
    return await exchange(connection, request, until);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof SandboxError || error instanceof CallFailure) throw error;
    const cause: unknown = late.signal.aborted ? late.signal.reason : error;
    throw failed(request.url, reasonOf(cause));
  } finally {
    clearTimeout(timer);
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof GuestError) return error.message;
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error && typeof error.code === "string" ? ` (${error.code})` : "";
  return `${error.message}${code}`;
}

/** The words in which Deno's `fetch` says it. */
function failed(url: URL, reason: string): CallFailure {
  return throwing("TypeError", `error sending request for url (${url.origin}): ${reason}`, null);
}

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

function locationOf({ statusCode = 0, headers }: IncomingMessage): string | undefined {
  return redirects.has(statusCode) ? headers.location : undefined;
}

const ofTheBody: ReadonlySet<string> = new Set([
  "content-encoding",
  "content-language",
  "content-location",
  "content-type",
]);
const ofTheOrigin: ReadonlySet<string> = new Set([
  "authorization",
  "cookie",
  "proxy-authorization",
]);

/** The next request, as the Fetch standard makes it. */
function redirected(request: FetchRequest, status: number, location: string): FetchRequest {
  const { url, method, headers, body } = request;
  const to = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
  if (to === undefined || !/^https?:$/.test(to.protocol)) {
    throw failed(url, "the server redirects to no HTTP URL");
  }
  const becomesGet =
    (status === 303 && method !== "GET" && method !== "HEAD") ||
    ((status === 301 || status === 302) && method === "POST");
  if (!becomesGet && body !== null) {
    throw failed(url, "the server redirects, and a body that is a stream cannot be sent again");
  }
  const isElsewhere = to.origin !== url.origin;
  const kept = headers.filter(([name]) => {
    const key = name.toLowerCase();
    return !(becomesGet && ofTheBody.has(key)) && !(isElsewhere && ofTheOrigin.has(key));
  });
  return { url: to, method: becomesGet ? "GET" : method, headers: kept, body: null };
}
