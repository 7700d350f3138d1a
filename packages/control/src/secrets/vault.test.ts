import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";

import { makeSandboxId, secretGrantOf, type SecretGrant } from "@skerry/protocol";

import { Vault, vaultKeyBytes } from "./vault.ts";

const id = makeSandboxId("ord", randomBytes(20));
const secret: SecretGrant = secretGrantOf(
  "API_KEY",
  { hosts: ["api.example.com"], value: "sk-value-of-the-secret" },
  `DENO_SECRET_PLACEHOLDER_${"0".repeat(64)}`,
);

suite("the vault", () => {
  test("gives back what it sealed, and shows nothing of it before", () => {
    const vault = new Vault(randomBytes(vaultKeyBytes));
    const sealed = Buffer.from(vault.seal(id, secret));
    assert.deepEqual(vault.open(id, sealed), secret);
    assert.ok(!sealed.includes("sk-value") && !sealed.includes("API_KEY"));
    assert.notDeepEqual(vault.seal(id, secret), sealed, "each time with another nonce");
  });

  test("opens nothing for another sandbox, with another key, or changed", () => {
    const key = randomBytes(vaultKeyBytes);
    const vault = new Vault(key);
    const sealed = Buffer.from(vault.seal(id, secret));
    const other = makeSandboxId("ord", randomBytes(20));
    assert.throws(() => vault.open(other, sealed));
    assert.throws(() => new Vault(randomBytes(vaultKeyBytes)).open(id, sealed));
    for (let at = 0; at < sealed.length; at += 7) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      assert.throws(() => vault.open(id, changed));
    }
    for (const length of [0, 1, 12, 28, sealed.length - 1]) {
      assert.throws(() => vault.open(id, sealed.subarray(0, length)));
    }
    assert.throws(() => new Vault(new Uint8Array(16)), RangeError);
  });
});
