import type { Rpc } from "./rpc.ts";

/** What a request inside the sandbox may be: a part of what `fetch` takes. */
export interface FetchOptions {
  readonly method?: string | undefined;
  readonly headers?: ConstructorParameters<typeof Headers>[0];
  readonly body?: RequestInit["body"];
  /** Default `"follow"`. */
  readonly redirect?: "follow" | "manual" | "error" | undefined;
  /** Ends the request at any time, also while its answer is read. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * @internal Sends a request from inside the sandbox.
 *
 * @param pid A Deno process whose server gets it, whatever host the URL names.
 */
export async function fetchFrom(
  rpc: Rpc,
  url: string | URL,
  { signal, ...options }: FetchOptions,
  pid?: number,
): Promise<Response> {
  signal?.throwIfAborted();
  const request = new Request(url, { ...options, duplex: "half" } as RequestInit);
  await rpc.ready();
  const upload = request.body === null ? undefined : rpc.streams.upload(request.body);
  const params = {
    url: request.url,
    method: request.method,
    headers: [...request.headers],
    redirect: options.redirect ?? "follow",
    bodyStreamId: upload?.id,
    pid,
  };
  const answer = await rpc.callAbortable("fetch", params, signal).catch((error: unknown) => {
    upload?.stop(error); // nobody takes the rest
    throw upload?.failure === undefined ? error : upload.failure.error;
  });
  const { status, statusText, headers, bodyStreamId } = answer;
  const body = bodyStreamId === null ? null : rpc.streams.take(bodyStreamId);
  const ended =
    body === null || signal === undefined
      ? body
      : body.pipeThrough(new TransformStream(), { signal });
  return new Response(ended, { status, statusText, headers: headers as [string, string][] });
}
