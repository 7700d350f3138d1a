import assert from "node:assert/strict";
import { test } from "node:test";

import { integrityOf } from "./npm-package.ts";

test("integrityOf() is a lockfile's hash", () => {
  // SHA-512 of nothing, RFC 6234's implementations agree.
  const empty =
    "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
  assert.equal(integrityOf(Buffer.alloc(0)), empty);
});
