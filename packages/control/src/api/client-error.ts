import type { Duplex } from "node:stream";

import { SandboxError } from "@skerry/protocol";

import { makeTraceId, refuseUpgrade } from "./http.ts";

/** Answers what is no HTTP request that this server takes: garbage, a head too large, one too slow. */
export function answerParseError(error: Error & { code?: string }, socket: Duplex): void {
  if (socket.writableEnded) return; // it is answered, and what still comes is no more HTTP than before
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const failure =
    error.code === "HPE_HEADER_OVERFLOW"
      ? new SandboxError("REQUEST_TOO_LARGE", "the head of the request")
      : new SandboxError("INVALID_REQUEST", reasonOf(error.code));
  refuseUpgrade(socket, failure, makeTraceId());
}

function reasonOf(code: string | undefined): string {
  return code === "ERR_HTTP_REQUEST_TIMEOUT" ? "it took too long to arrive" : "it is not HTTP";
}
