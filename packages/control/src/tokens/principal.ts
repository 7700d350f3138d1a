import { SandboxError, type SandboxId } from "@skerry/protocol";

import type { UserRow } from "../store/store.ts";
import type { LeaseTag } from "./leases.ts";

/** Who asks for something, and how far that one's token goes. */
export type Principal =
  | { readonly kind: "user"; readonly tokenId: string; readonly user: UserRow }
  /** Whoever has a token of one sandbox; `userId` is whose token it is, if anybody's. */
  | {
      readonly kind: "sandbox";
      readonly tokenId: string;
      readonly sandboxId: SandboxId;
      readonly userId: string | null;
    }
  /** An SSH gateway, which may ask whom a client may enter; `userId` is who has made its token. */
  | { readonly kind: "gateway"; readonly tokenId: string; readonly userId: string | null };

/** The user who asks. @throws {SandboxError} `FORBIDDEN` when it is none. */
export function userOf(principal: Principal): UserRow {
  if (principal.kind !== "user") throw new SandboxError("FORBIDDEN");
  return principal.user;
}

/** The id of the user whose token it is; null when it is nobody's. */
export function userIdOf(principal: Principal): string | null {
  return principal.kind === "user" ? principal.user.id : principal.userId;
}

/** What, taken back, ends what was opened for somebody. */
export function tagsOf(principal: Principal): readonly LeaseTag[] {
  const userId = userIdOf(principal);
  return [`token:${principal.tokenId}`, ...(userId === null ? [] : [`user:${userId}` as const])];
}
