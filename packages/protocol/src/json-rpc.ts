import { z } from "zod";

/**
 * The envelope of the sandbox socket: JSON-RPC 2.0 in WebSocket text messages, as the official
 * client sends it (`@deno/sandbox` 0.13.2, `proto.js`).
 */
export const rpcErrors = {
  WEBSOCKET_CLOSED: { code: 1, message: "WebSocket connection closed" },
  ABORTED: { code: 2, message: "Request aborted" },
  ISOLATE_INTERNAL_ERROR: { code: 3, message: "Isolate internal error" },
  PARSE_ERROR: { code: -32700, message: "Parse error" },
  INVALID_REQUEST: { code: -32600, message: "Invalid Request" },
  METHOD_NOT_FOUND: { code: -32601, message: "Method not found" },
  INVALID_PARAMS: { code: -32602, message: "Invalid params" },
  INTERNAL_ERROR: { code: -32603, message: "Internal error" },
  SERVER_ERROR: { code: -32000, message: "Server error" },
} as const;
export type RpcErrorName = keyof typeof rpcErrors;

/** Close codes of the socket. 4000 and 4001 are the official client's own. */
export const closeCode = {
  normal: 1000,
  goingAway: 1001,
  /** The token, key or user that it was opened with counts no more. */
  revoked: 1008,
  messageTooBig: 1009,
  internal: 1011,
  /** The server starts again, and the sandbox goes on: the client may come back. */
  serviceRestart: 1012,
  tryAgainLater: 1013,
  invalidJson: 4000,
  invalidJsonRpc: 4001,
} as const;

/** Text messages that keep a connection alive; they are no JSON-RPC. */
export const keepAlive = { ping: "ping", pong: "pong" } as const;

export const RpcId = z.union([z.string().max(256), z.number()]);
export type RpcId = z.infer<typeof RpcId>;

/** What a client may send: a request (with an id) or a notification (without). */
export const RpcIncoming = z.object({
  jsonrpc: z.literal("2.0"),
  id: RpcId.optional(),
  method: z.string().max(256),
  params: z.unknown().optional(),
});
export type RpcIncoming = z.infer<typeof RpcIncoming>;

export const RpcFailure = z.object({
  code: z.number(),
  message: z.string(),
  data: z.unknown().optional(),
});
export type RpcFailure = z.infer<typeof RpcFailure>;

/** What a server answers, read loosely: a new server may say more. */
export const RpcAnswer = z.union([
  z.object({ jsonrpc: z.literal("2.0"), id: RpcId.nullable(), error: RpcFailure }),
  z.object({ jsonrpc: z.literal("2.0"), id: RpcId, result: z.unknown() }),
]);
export type RpcAnswer = z.infer<typeof RpcAnswer>;
