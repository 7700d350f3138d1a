import assert from "node:assert/strict";
import { test } from "node:test";

import { withoutTokens } from "./without-tokens.ts";

const tokens = { isOurs: async (text: string) => text.startsWith("ours-") };

test("variables go into a machine without the caller's token, under whatever name it is", async () => {
  const env = {
    DENO_DEPLOY_SANDBOX_TOKEN: "another server's",
    MINE: "ours-1",
    NAME: "value",
    EMPTY: "",
  };
  assert.deepEqual(await withoutTokens(env, tokens), { NAME: "value", EMPTY: "" });
});
