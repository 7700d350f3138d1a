import { request, type IncomingMessage } from "node:http";
import { pipeline, Readable, type Duplex } from "node:stream";

import { limits } from "@skerry/protocol";

import type { FetchRequest } from "./fetch.ts";

/**
 * Sends one request over a connection that is used for nothing else, and resolves with the head of
 * the answer. The body of the request may still be on its way then.
 */
export async function exchange(
  connection: Duplex,
  { url, method, headers, body }: FetchRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = request({
    // Without an agent: with any (`agent: false` makes one) Node would connect from this host.
    createConnection: () => connection,
    method,
    path: `${url.pathname}${url.search}`,
    headers: headersFor(url, headers),
    maxHeaderSize: limits.fetchHeadBytesMax,
    insecureHTTPParser: false,
    signal,
  });
  sent.on("response", resolve);
  sent.on("upgrade", (_answer, socket: Duplex) => {
    socket.destroy();
    reject(new Error("the server wants another protocol"));
  });
  sent.on("error", reject);
  if (body === null) sent.end();
  else {
    pipeline(Readable.from(body, { objectMode: false }), sent, (error) => {
      if (error) sent.destroy(error);
    });
  }
  try {
    return await promise;
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

/** Headers that belong to the connection, which is ours. */
const ours: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

function headersFor(
  url: URL,
  given: readonly (readonly [string, string])[],
): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = { host: url.host, connection: "close" };
  for (const [name, value] of given) {
    const key = name.toLowerCase();
    if (ours.has(key)) continue;
    const before = headers[key];
    headers[key] = before === undefined ? value : [before, value].flat();
  }
  headers["accept"] ??= "*/*";
  headers["accept-encoding"] ??= "identity"; // bodies are passed on as they come
  headers["user-agent"] ??= "Skerry";
  return headers;
}

/** The headers of an answer as pairs, without those that belonged to its connection. */
export function headersOf({ rawHeaders }: IncomingMessage): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name = "", value = ""] = rawHeaders.slice(at, at + 2);
    if (!ours.has(name.toLowerCase()) || name.toLowerCase() === "content-length") {
      pairs.push([name, value]);
    }
  }
  return pairs;
}
