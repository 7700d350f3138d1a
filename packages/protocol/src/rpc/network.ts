import { z } from "zod";

import { abortId, nothing, optional, Path, pid, StreamId, type SandboxMethods } from "./values.ts";

const Header = z.tuple([z.string().max(65_536), z.string().max(65_536)]);

/** Connections to what runs inside, from there, and through it. */
export const networkMethods = {
  fetch: {
    params: z.object({
      url: z.string().max(65_536),
      method: z.string().max(64),
      headers: z.array(Header).max(1_024),
      redirect: z.enum(["follow", "manual", "error"]),
      abortId,
      bodyStreamId: optional(StreamId),
      /** A Deno process whose HTTP server gets the request, whatever host the URL names. */
      pid: optional(pid),
    }),
    result: z.object({
      status: z.number(),
      statusText: z.string(),
      headers: z.array(Header),
      bodyStreamId: z.number().nullable(),
    }),
  },
  /** Ours: connects to a server inside the machine; the streams are what it is sent and what it sends. */
  dial: {
    params: z.union([
      z.object({
        host: optional(z.string().min(1).max(255)),
        port: z.int().min(1).max(65_535),
        inputStreamId: StreamId,
      }),
      z.object({ path: Path, inputStreamId: StreamId }),
    ]),
    result: z.object({ outputStreamId: z.number() }),
  },
  /** Listens inside the machine, until `closeListener` or the end of the connection. Port 0 is any. */
  listen: {
    params: z.union([
      z.object({ host: optional(z.string().max(255)), port: z.int().min(0).max(65_535) }),
      z.object({ path: Path }),
    ]),
    result: z.object({ listenerId: z.number(), port: z.number().nullable() }),
  },
  /** Waits for the next connection. `address` and `port` are of who made it, null for a Unix socket. */
  accept: {
    params: z.object({ listenerId: z.int().min(0), inputStreamId: StreamId }),
    result: z.object({
      outputStreamId: z.number(),
      address: z.string().nullable(),
      port: z.number().nullable(),
    }),
  },
  closeListener: { params: z.object({ listenerId: z.int().min(0) }), result: nothing },
  /** Says what a name that was reserved leads to: a port, or the server of a process. */
  exposeHttp: {
    params: z.union([
      z.object({ domain: z.string().max(512), port: z.int().min(1).max(65_535) }),
      z.object({ domain: z.string().max(512), pid }),
    ]),
    result: nothing,
  },
} as const satisfies SandboxMethods;
