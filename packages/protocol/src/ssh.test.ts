import assert from "node:assert/strict";
import { suite, test } from "node:test";

import fc from "fast-check";

import { parseAuthorizedKey } from "./ssh.ts";

function blob(...fields: readonly Uint8Array[]): string {
  const parts = fields.flatMap((field) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(field.length);
    return [length, Buffer.from(field)];
  });
  return Buffer.concat(parts).toString("base64");
}

const ed25519 = blob(Buffer.from("ssh-ed25519"), new Uint8Array(32).fill(7));
const rsa = (bytes: number): string =>
  blob(Buffer.from("ssh-rsa"), Uint8Array.of(1, 0, 1), Uint8Array.of(0, ...Array(bytes).fill(255)));

suite("a line of authorized_keys", () => {
  test("has a type, data and a comment that may hold spaces", () => {
    assert.deepEqual(parseAuthorizedKey(` ssh-ed25519 ${ed25519}  me @ home \n`), {
      ...{ type: "ssh-ed25519", data: ed25519, comment: "me @ home" },
    });
    assert.equal(parseAuthorizedKey(`ssh-ed25519 ${ed25519}`).comment, "");
    assert.equal(parseAuthorizedKey(`ssh-rsa ${rsa(256)} x`).type, "ssh-rsa");
  });

  for (const [what, line] of [
    ["nothing", ""],
    ["no data", "ssh-ed25519"],
    ["a type that nobody takes", `ssh-dss ${ed25519}`],
    ["the data of another type", `ssh-rsa ${ed25519}`],
    ["data that is cut", `ssh-ed25519 ${ed25519.slice(0, 20)}`],
    ["a short key", `ssh-ed25519 ${blob(Buffer.from("ssh-ed25519"), new Uint8Array(31))}`],
    ["RSA of 1024 bits", `ssh-rsa ${rsa(128)}`],
    ["options", `command="id" ssh-ed25519 ${ed25519}`],
    ["two lines", `ssh-ed25519 ${ed25519} a\nssh-ed25519 ${ed25519} b`],
    ["a private key", "-----BEGIN OPENSSH PRIVATE KEY-----"],
  ] as const) {
    test(`is refused when it has ${what}`, () => {
      assert.throws(() => parseAuthorizedKey(line), RangeError);
    });
  }

  test("never makes the reader fail in another way", () => {
    const data = fc.base64String({ maxLength: 200 });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          data.map((text) => `ssh-rsa ${text}`),
        ),
        (line) => {
          try {
            parseAuthorizedKey(line);
          } catch (error) {
            assert.ok(error instanceof RangeError);
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
