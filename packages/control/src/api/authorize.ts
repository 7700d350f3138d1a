import { SandboxError } from "@skerry/protocol";

import type { Principal } from "../tokens/principal.ts";
import type { Tokens } from "../tokens/tokens.ts";
import type { Users } from "../users/users.ts";

/** What tells who asks. */
export interface Accounts {
  readonly tokens: Tokens;
  readonly users: Users;
}

/**
 * Who asks, by the `Authorization` header. The organization is the token's: what the official clients
 * say of one in a header changes nothing.
 *
 * @throws {SandboxError} `INVALID_TOKEN`
 */
export async function authorize(
  header: string | undefined,
  { tokens, users }: Accounts,
): Promise<Principal> {
  const token = bearerOf(header);
  if (token?.startsWith(personalPrefix) === true) {
    throw new SandboxError("INVALID_TOKEN", "this server has ddo_ tokens and no ddp_ ones");
  }
  const known = token === undefined ? null : await tokens.verify(token);
  if (known === null) throw new SandboxError("INVALID_TOKEN");
  const { id: tokenId, scope, userId } = known;
  if (scope.kind === "sandbox") {
    return { kind: "sandbox", tokenId, sandboxId: scope.sandboxId, userId };
  }
  if (scope.kind === "gateway") return { kind: "gateway", tokenId, userId };
  const user = userId === null ? null : await users.get(userId);
  if (user === null) throw new SandboxError("INVALID_TOKEN");
  return { kind: "user", tokenId, user };
}

/** What the official clients have beside `ddo_`: tokens that need an organization at each request. */
const personalPrefix = "ddp_";

/** The token in an `Authorization` header. */
export function bearerOf(header: string | undefined): string | undefined {
  return /^bearer +(\S+) *$/i.exec(header ?? "")?.[1];
}
