import type { Duplex, Readable, Writable } from "node:stream";

import type { HeaderPair } from "./headers.ts";

/** The head of an answer. */
export interface AnswerHead {
  readonly status: number;
  /** What HTTP/1 says after the status. */
  readonly reason?: string | undefined;
  readonly headers: readonly HeaderPair[];
}

/** One request from outside and its answer, whatever version of HTTP they have. */
export interface Exchange {
  readonly method: string;
  /** Path and query, as they came. */
  readonly path: string;
  /** The host that the client asks for, with its port. */
  readonly host: string;
  readonly headers: readonly HeaderPair[];
  readonly remoteAddress: string;
  /** The host that the client has named when it connected; null when it named none. */
  readonly servername: string | null;
  /** Null when the request has none. */
  readonly body: Readable | null;
  /** The client waits to be told before it sends the body. */
  readonly expectsContinue: boolean;
  /** The client wants to go on with WebSocket messages. */
  readonly isWebSocket: boolean;
  /** Aborts when the client goes away before the answer has ended. */
  readonly gone: AbortSignal;
  /** What came after the body. */
  trailers(): readonly HeaderPair[];
  /** Tells the client to send the body. */
  continue(): void;
  /** Tells it what is to come. Only `Link` may be told so early. */
  hint(links: readonly string[]): void;
  /** Begins the answer. @returns where its body goes; {@link Exchange.finish} ends it. @throws when Node refuses the head. */
  answer(head: AnswerHead): Writable;
  finish(trailers: readonly HeaderPair[]): void;
  /** Agrees to WebSocket messages, with the headers of the server's own answer. @returns both directions. */
  accept(headers: readonly HeaderPair[]): Duplex;
  /** Ends it in a way that the client cannot take for the end of the answer. */
  cut(): void;
  /** Whether the answer has begun. */
  readonly isAnswered: boolean;
}
