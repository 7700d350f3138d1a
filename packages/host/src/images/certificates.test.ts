import assert from "node:assert/strict";
import { test } from "node:test";
import { rootCertificates } from "node:tls";

import { extraCertificates } from "./certificates.ts";

const [a = "", b = "", c = ""] = rootCertificates;

test("extraCertificates() gives what the host trusts and Debian's package does not have", () => {
  const extra = extraCertificates([a, b, c].join("\n"), [c, a].join("\n"));
  assert.deepEqual(
    extra.map(({ pem }) => pem.trim()),
    [b.trim()],
  );
});

test("extraCertificates() does not depend on order, repetition, comments or line ends", () => {
  const plain = extraCertificates([a, b].join("\n"), "");
  const other = extraCertificates(`# first\r\n${b}\nsome text\n${a}\n${b}`, "");
  assert.deepEqual(other, plain);
  assert.equal(new Set(plain.map(({ file }) => file)).size, 2);
  for (const { file } of plain) assert.match(file, /^[0-9a-f]{16}\.crt$/);
});

test("extraCertificates() leaves out what is no certificate", () => {
  const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
  assert.deepEqual(extraCertificates(`${broken}\n`, ""), []);
  assert.equal(extraCertificates(`${broken}\n${a}`, "").length, 1);
  assert.deepEqual(extraCertificates("", ""), []);
});
