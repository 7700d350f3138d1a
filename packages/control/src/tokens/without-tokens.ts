import type { Tokens } from "./tokens.ts";

/** Where the official client puts the token of its caller when it asks for an editor. */
const tokenVariable = "DENO_DEPLOY_SANDBOX_TOKEN";

/**
 * Variables without those that would give a machine its caller's power: the one that the official client adds, whatever
 * is in it, and every other whose value is a token of this server.
 */
export async function withoutTokens(
  env: Readonly<Record<string, string>>,
  tokens: Pick<Tokens, "isOurs">,
): Promise<Readonly<Record<string, string>>> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (name !== tokenVariable && !(await tokens.isOurs(value))) kept[name] = value;
  }
  return kept;
}
