import type { SandboxId } from "@skerry/protocol";

import type { Tokens } from "../../tokens/tokens.ts";
import type { EditorGrant } from "../handlers/handler.ts";

/** Where the official client puts the token of its caller when it asks for an editor. */
const tokenVariable = "DENO_DEPLOY_SANDBOX_TOKEN";

/** Whose editor it is. */
export interface EditorOwner {
  readonly sandboxId: SandboxId;
  /** With whom its token ends; null: with nobody. */
  readonly userId: string | null;
}

/**
 * Variables without what would give a machine its caller's power: every one whose value is a token of this server goes,
 * and the one that the official client adds gets a token that is good for the sandbox alone, whatever was in it.
 *
 * @throws {SandboxError} `TOO_MANY_TOKENS`
 */
export async function grantEditor(
  { sandboxId, userId }: EditorOwner,
  given: Readonly<Record<string, string>>,
  tokens: Pick<Tokens, "isOurs" | "issueFor" | "revoke">,
): Promise<EditorGrant> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    if (name !== tokenVariable && !(await tokens.isOurs(value))) env[name] = value;
  }
  if (given[tokenVariable] === undefined) return { env, revoke: async () => {} };
  const { id, token } = await tokens.issueFor(sandboxId, { name: "VS Code", userId });
  return {
    env: { ...env, [tokenVariable]: token },
    async revoke() {
      await tokens.revoke(id).catch(() => {}); // it ends with its sandbox in any case
    },
  };
}
