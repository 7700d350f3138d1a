import { thrown, type SandboxParams } from "@skerry/protocol";

import { denoOf } from "../deno/runtime.ts";
import { invalidParams, noSuchProcess, throwing } from "../failures.ts";
import type { Route } from "../fetch/connect.ts";
import { headersOf } from "../fetch/exchange.ts";
import { fetchFrom } from "../fetch/fetch.ts";
import type { IncomingStream } from "../streams/incoming-stream.ts";
import type { CallContext, Handlers } from "./handler.ts";
import { isUnknownProcess } from "./processes.ts";

/** HTTP requests from inside the machine. */
export const fetchHandlers: Handlers<"fetch"> = {
  async fetch(params, context) {
    const { guest, incoming, outgoing, call, calls } = context;
    outgoing.ensureRoom(1);
    const { method, headers, redirect, bodyStreamId, abortId } = params;
    const url = urlOf(params);
    checkMethod(method);
    call.abortId = abortId ?? null;
    const over = new AbortController();
    const stop = (): void => over.abort(new Error("nobody wants the answer any more"));
    const signal = AbortSignal.any([context.signal, over.signal]);
    const route = await routeOf(params, context, stop);
    const input = bodyStreamId === undefined ? null : incoming.claim(bodyStreamId);
    try {
      const request = { url, method, headers, body: input === null ? null : wholeOf(input) };
      const answer = await fetchFrom(guest, request, { route, redirect }, signal);
      const { statusCode: status = 0, statusMessage: statusText = "" } = answer;
      const head = { status, statusText, headers: headersOf(answer) };
      if (hasNoBody(method, status)) {
        answer.destroy();
        return { ...head, bodyStreamId: null };
      }
      const abortable = abortId === undefined ? undefined : calls.linger(abortId, stop);
      answer.once("close", () => abortable?.[Symbol.dispose]());
      return { ...head, bodyStreamId: outgoing.open(answer, { stop }) };
    } finally {
      if (input !== null) {
        incoming.release(input, thrown("Error", "the request is over", null));
      }
    }
  },
};

function urlOf({ url }: SandboxParams<"fetch">): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed !== undefined && /^https?:$/.test(parsed.protocol)) return parsed;
  throw throwing("TypeError", "Only http: and https: URLs can be fetched.", null);
}

function checkMethod(method: string): void {
  if (/^[!#$%&'*+.^_`|~\w-]+$/.test(method) && !/^(connect|trace|track)$/i.test(method)) return;
  throw invalidParams([{ path: ["method"], message: "the method cannot be used" }]);
}

/** To a process of ours, or to wherever the URL leads; a process that ends stops the request. */
async function routeOf(
  { pid }: SandboxParams<"fetch">,
  { guest, signal }: CallContext,
  stop: () => void,
): Promise<Route> {
  if (pid === undefined) return { kind: "network" };
  const path = denoOf(guest).socketOf(pid);
  if (path === undefined) throw noSuchProcess();
  guest.call("wait", { pid }, signal).then(stop, (error: unknown) => {
    if (isUnknownProcess(error)) stop();
  });
  return { kind: "socket", path };
}

/** The client's stream to its end; one that the client gave up fails. */
async function* wholeOf(input: IncomingStream): AsyncGenerator<Uint8Array, void, void> {
  yield* input.read();
  if (input.failure !== null) throw new Error(input.failure.message);
}

function hasNoBody(method: string, status: number): boolean {
  return method === "HEAD" || status === 204 || status === 205 || status === 304;
}
