import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { contract } from "./contract.ts";

test("contract.json is what the schemas say; `node tools/contract.ts` writes it", () => {
  const file = new URL("../contract.json", import.meta.url);
  const written: unknown = JSON.parse(readFileSync(file, "utf8"));
  assert.deepEqual(written, JSON.parse(JSON.stringify(contract())));
});
