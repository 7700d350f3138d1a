import assert from "node:assert/strict";
import { test } from "node:test";

import { parseList, readRecipe, recipeNames } from "./recipe.ts";

test("parseList() takes one entry a line and drops comments and blank lines", () => {
  assert.deepEqual(parseList("# head\n\nbash\n  jq  # json\n"), ["bash", "jq"]);
});

test("every recipe is readable, and pins what it takes from npm", async () => {
  for (const name of await recipeNames()) {
    const recipe = await readRecipe(name);
    assert.ok(recipe.packages.length > 0);
    for (const { version, integrity } of Object.values(recipe.npm)) {
      assert.match(version, /^\d+\.\d+\.\d+$/);
      assert.match(integrity, /^sha512-[A-Za-z0-9+/]{86}==$/);
    }
  }
});

test("readRecipe() names the images there are when asked for one there is not", async () => {
  for (const name of ["builtin:nothing", "builtin:", "builtin:../tools", "debian-13"]) {
    await assert.rejects(readRecipe(name), { code: "unknown_image", message: /builtin:debian-13/ });
  }
});
