import type { IncomingMessage } from "node:http";

import { SandboxError } from "@skerry/protocol";
import type { WebSocket } from "ws";

import type { LeaseTag } from "../../tokens/leases.ts";
import { tagsOf, userIdOf } from "../../tokens/principal.ts";
import { authorize } from "../authorize.ts";
import { contextOf, type ApiContext, type ServerContext } from "../context.ts";

/** What a socket was opened with. */
export interface Access {
  readonly tags: readonly LeaseTag[];
  /** Whose it is, if anybody's. */
  readonly userId: string | null;
  /** Whether it is still good for that. */
  readonly isStillGood: () => Promise<boolean>;
}

/** Who opens a socket, as far as requests go. */
export interface Admitted {
  readonly context: ApiContext;
  readonly access: Access;
}

/** Lets in who shows a token. @throws {SandboxError} */
export async function admit(header: string | undefined, server: ServerContext): Promise<Admitted> {
  const principal = await authorize(header, server);
  const isStillGood = async (): Promise<boolean> => {
    await authorize(header, server);
    return true;
  };
  const access = { tags: tagsOf(principal), userId: userIdOf(principal), isStillGood };
  return { context: contextOf(server, principal), access };
}

/** A page in a browser sends its origin, and may not use a token that it got hold of. @throws {SandboxError} */
export function checkOrigin({ headers }: IncomingMessage, allowed: readonly string[]): void {
  const { origin } = headers;
  if (origin === undefined || allowed.includes(origin)) return;
  throw new SandboxError("ORIGIN_REFUSED", origin.slice(0, 200));
}

/** Has a socket end when what it was opened with is taken back, or was while it opened. */
export function holdLease(
  client: WebSocket,
  access: Access,
  { leases }: ServerContext,
  end: (reason: string) => void,
): void {
  const revoked = (): void => end("The access was revoked.");
  const lease = leases.hold(access.tags, revoked);
  client.once("close", () => lease[Symbol.dispose]());
  const check = async (): Promise<void> => {
    if (!(await access.isStillGood())) revoked();
  };
  check().catch(revoked);
}
