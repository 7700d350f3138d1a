import { SandboxError } from "@skerry/protocol";

import type { TokenInfo, Tokens } from "../tokens/tokens.ts";

/**
 * Who asks, by the `Authorization` header.
 *
 * @throws {SandboxError} `INVALID_TOKEN`
 */
export async function authorize(header: string | undefined, tokens: Tokens): Promise<TokenInfo> {
  const [, token] = /^bearer +(\S+) *$/i.exec(header ?? "") ?? [];
  const known = token === undefined ? null : await tokens.verify(token);
  if (known === null) throw new SandboxError("INVALID_TOKEN");
  return known;
}
