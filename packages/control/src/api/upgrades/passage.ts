import type { IncomingMessage } from "node:http";

import type { WebSocket } from "ws";

import type { Sandbox } from "../../sandboxes/sandbox.ts";
import type { Access } from "./access.ts";

/** What a request to become a WebSocket asks for, with all that its socket then needs. */
export interface Passage {
  readonly sandbox: Sandbox;
  readonly access: Access;
  /** The address of the port that the client wanted exposed. */
  readonly url?: string | undefined;
  /** Takes the socket. @returns what ends it, with a reason, when the access is taken back. */
  open(client: WebSocket, by: OpenedBy): (reason: string) => void;
  /** Nobody has got the socket. */
  abandon?(): void;
}

/** The request behind a socket. */
export interface OpenedBy {
  readonly message: IncomingMessage;
  readonly traceId: string;
  /** Bytes that have come from the client so far. */
  readonly received: () => number;
}
