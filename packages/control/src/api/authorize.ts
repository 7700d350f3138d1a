import { SandboxError } from "@skerry/protocol";

import type { Principal } from "../tokens/principal.ts";
import type { Tokens } from "../tokens/tokens.ts";

/**
 * Who asks, by the `Authorization` header.
 *
 * @throws {SandboxError} `INVALID_TOKEN`
 */
export async function authorize(header: string | undefined, tokens: Tokens): Promise<Principal> {
  const [, token] = /^bearer +(\S+) *$/i.exec(header ?? "") ?? [];
  const known = token === undefined ? null : await tokens.verify(token);
  if (known === null) throw new SandboxError("INVALID_TOKEN");
  return { tokenId: known.id, scope: known.scope };
}
