import type { Guest, SandboxMethodName, SandboxParams, SandboxResult } from "@skerry/protocol";

import type { ExposeTarget } from "../../store/store.ts";
import type { Call, Calls } from "../calls.ts";
import type { Repls } from "../deno/repls.ts";
import type { FileHandles } from "../files/handles.ts";
import type { Lane } from "../lane.ts";
import type { Listeners } from "../listeners.ts";
import type { Outbox } from "../outbox.ts";
import type { Processes } from "../processes.ts";
import type { IncomingStreams } from "../streams/incoming.ts";
import type { OutgoingStreams } from "../streams/outgoing.ts";

/** Which of the official clients asks, where one of them cannot read what the other is given. */
export type Dialect = "javascript" | "python";

/** Says what a name of the sandbox leads to. @throws {SandboxError} `NAME_NOT_FOUND`, `INGRESS_OFF`. */
export type ExposeHttp = (domain: string, target: ExposeTarget) => Promise<void>;

/** What an editor may take into the machine. */
export interface EditorGrant {
  /** The caller's variables; a token of this server is not among them, but for one that is good for this sandbox alone. */
  readonly env: Readonly<Record<string, string>>;
  /** Ends that token. Never rejects. */
  revoke(): Promise<void>;
}

/** Sees that an editor can be had here. @throws {SandboxError} `INGRESS_OFF`, `EDITOR_UNAVAILABLE`, `TOO_MANY_TOKENS` */
export type PrepareEditor = (
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<EditorGrant>;

/** What a handler has at hand: the call, and what its connection keeps. */
export interface CallContext {
  readonly call: Call;
  readonly calls: Calls;
  /** Aborts when nobody waits for the call any more. */
  readonly signal: AbortSignal;
  readonly guest: Guest;
  readonly incoming: IncomingStreams;
  readonly outgoing: OutgoingStreams;
  readonly outbox: Outbox;
  readonly processes: Processes;
  readonly handles: FileHandles;
  readonly listeners: Listeners;
  readonly repls: Repls;
  readonly dialect: Dialect;
  readonly expose: ExposeHttp;
  readonly prepareEditor: PrepareEditor;
  /** For files that are held whole in memory. */
  readonly greatFiles: Lane;
}

/** Runs one method: parsed parameters in, the value of `ok` out; failures are thrown. */
export type Handler<M extends SandboxMethodName> = (
  params: SandboxParams<M>,
  context: CallContext,
) => Promise<SandboxResult<M>>;

/** Handlers of some methods: a method without one does not compile. */
export type Handlers<M extends SandboxMethodName> = { readonly [Name in M]: Handler<Name> };
