import assert from "node:assert/strict";
import { mkdtempDisposable, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";

import { openHostKey } from "./host-key.ts";

suite("the gateway's host key", () => {
  test("is made once, for its owner alone, and stays", async () => {
    await using directory = await mkdtempDisposable(join(tmpdir(), "skerry-host-key-"));
    const file = join(directory.path, "ssh", "host-key");
    const made = await openHostKey(file);
    assert.match(made.publicKey, /^ssh-ed25519 AAAA/);
    assert.match(made.fingerprint, /^SHA256:[A-Za-z0-9+/]{43}$/);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.deepEqual(await openHostKey(file), made);
  });

  test("can be read, each time that one is made", async () => {
    await using directory = await mkdtempDisposable(join(tmpdir(), "skerry-host-key-"));
    for (let n = 0; n < 1_000; n += 1) await openHostKey(join(directory.path, String(n)));
  });

  test("that is none is told of, and stays as it is", async () => {
    await using directory = await mkdtempDisposable(join(tmpdir(), "skerry-host-key-"));
    const file = join(directory.path, "host-key");
    await writeFile(file, "hello");
    await assert.rejects(openHostKey(file), /is no private key; remove it for a new one/);
  });
});
