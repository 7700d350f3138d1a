import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { request } from "node:https";

import type { TestServer } from "./server.ts";

/** A request as somebody outside sends it. */
export interface OutsideRequest {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer | AsyncIterable<Uint8Array>;
}

/**
 * Sends a request to an exposed address, trusting the server's authority alone. Names are not looked up: not
 * every host knows `*.localhost`.
 */
export async function open(
  server: TestServer,
  url: string | URL,
  { method = "GET", headers = {}, body }: OutsideRequest = {},
): Promise<IncomingMessage> {
  const to = new URL(url);
  const sent = request({
    ...{ host: "127.0.0.1", port: new URL(server.ingress.url).port, servername: to.hostname },
    ...{ path: `${to.pathname}${to.search}`, method, agent: false, ca: caOf(server) },
    headers: { host: to.host, ...headers },
  });
  const answered = once(sent, "response") as Promise<[IncomingMessage]>;
  if (body === undefined || typeof body === "string" || body instanceof Uint8Array) sent.end(body);
  else {
    for await (const chunk of body) if (!sent.write(chunk)) await once(sent, "drain");
    sent.end();
  }
  const [answer] = await answered;
  return answer;
}

/** An answer with its whole body as text. */
export interface OutsideAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

/** Sends a request, and reads all of the answer. */
export async function ask(
  server: TestServer,
  url: string | URL,
  options: OutsideRequest = {},
): Promise<OutsideAnswer> {
  const answer = await open(server, url, options);
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  const { statusCode: status = 0, headers } = answer;
  return { status, headers, text: Buffer.concat(chunks).toString() };
}

/** The certificate of the server's authority, PEM. */
export function caOf(server: TestServer): string {
  return readFileSync(server.ingress.caFile ?? "", "utf8");
}
