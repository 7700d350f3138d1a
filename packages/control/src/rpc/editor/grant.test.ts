import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { makeSandboxId } from "@skerry/protocol";

import type { IssuedToken } from "../../tokens/tokens.ts";
import { grantEditor } from "./grant.ts";

const sandboxId = makeSandboxId("ord", new Uint8Array(20));

const owner = { sandboxId, userId: "usr_1" };

function fakeTokens() {
  const revoked: string[] = [];
  return {
    revoked,
    isOurs: async (text: string) => text.startsWith("ours-"),
    issueFor: async (of: string): Promise<IssuedToken> => ({
      ...{ id: "tok_1", token: `only-for-${of}`, name: "", createdAtMs: 0 },
      ...{
        expiresAtMs: null,
        lastUsedAtMs: null,
        userId: "usr_1",
        scope: { kind: "sandbox", sandboxId },
      },
    }),
    revoke: async (id: string) => revoked.push(id) > 0,
  };
}

suite("an editor's variables", () => {
  test("have a token for the sandbox alone in the place of the caller's", async () => {
    const tokens = fakeTokens();
    const given = { DENO_DEPLOY_SANDBOX_TOKEN: "another server's", MINE: "ours-1", NAME: "value" };
    const grant = await grantEditor(owner, given, tokens);
    assert.deepEqual(grant.env, {
      NAME: "value",
      DENO_DEPLOY_SANDBOX_TOKEN: `only-for-${sandboxId}`,
    });
    await grant.revoke();
    assert.deepEqual(tokens.revoked, ["tok_1"]);
  });

  test("have none where the caller gave none", async () => {
    const { env } = await grantEditor(owner, { NAME: "value", EMPTY: "" }, fakeTokens());
    assert.deepEqual(env, { NAME: "value", EMPTY: "" });
  });
});
