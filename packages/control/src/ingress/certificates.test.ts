import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";

import { Authority } from "@skerry/certificates";
import { pino } from "pino";

import { eventually } from "../testing/eventually.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { startIngress } from "../testing/ingress-fixture.ts";
import { openIngressFiles } from "./files.ts";
import { OperatorCertificate } from "./operator-certificate.ts";
import { OwnCertificate } from "./own-certificate.ts";

const log = pino({ level: "silent" });

function makeDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "skerry-certificates-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

suite("what the way in keeps", () => {
  test("is there again after a restart, and its keys are for its owner alone", async () => {
    using directory = makeDirectory();
    const path = join(directory.path, "ingress");
    const first = await openIngressFiles(path);
    const second = await openIngressFiles(path);
    assert.equal(second.authority.certificate, first.authority.certificate);
    assert.deepEqual(second.urlKey, first.urlKey);
    assert.equal(readFileSync(first.caFile, "utf8"), first.authority.certificate);
    const bundle = readFileSync(first.bundleFile, "utf8");
    assert.ok(bundle.endsWith(first.authority.certificate));
    assert.ok(bundle.length > first.authority.certificate.length, "the system's are there too");
    for (const name of ["ca-key.pem", "url-key"]) {
      assert.equal(statSync(join(path, name)).mode & 0o777, 0o600, name);
    }
    assert.equal(statSync(path).mode & 0o777, 0o700);
  });

  test("is not made anew in silence when it is broken", async () => {
    using directory = makeDirectory();
    const { caFile } = await openIngressFiles(directory.path);
    writeFileSync(caFile, "no certificate");
    await assert.rejects(openIngressFiles(directory.path), /remove both for a new one/);
  });
});

suite("a certificate of our own", () => {
  test("is for every name, and is another long before its end", async () => {
    const authority = await Authority.load(await Authority.create("Test"));
    const clock = new FakeClock();
    using own = await OwnCertificate.issue(authority, { baseDomain: "b.example", clock, log });
    const first = own.current;
    const about = new X509Certificate(first.cert);
    for (const host of ["name.b.example", "api.b.example", "b.example"]) {
      assert.equal(about.checkHost(host), host.startsWith("b") ? "b.example" : "*.b.example");
    }
    assert.ok(about.verify(new X509Certificate(authority.certificate).publicKey));
    const changed = Promise.withResolvers<void>();
    own.onChange = () => changed.resolve();
    for (let halfDays = 0; halfDays < 92; halfDays++) {
      clock.advance(43_200_000);
      await new Promise(setImmediate);
    }
    await changed.promise;
    assert.notEqual(own.current.cert, first.cert);
  });
});

suite("the operator's certificate", () => {
  test("is read again when its files change, and kept when they make no sense", async () => {
    using directory = makeDirectory();
    const [certFile, keyFile] = [join(directory.path, "cert.pem"), join(directory.path, "key.pem")];
    const authority = await Authority.load(await Authority.create("Operator"));
    const write = async (name: string): Promise<string> => {
      const issued = await authority.issue([name], 10);
      for (const [file, text] of [
        [keyFile, issued.key],
        [certFile, issued.certificate],
      ] as const) {
        writeFileSync(`${file}.next`, text);
        renameSync(`${file}.next`, file);
      }
      return issued.certificate;
    };
    const first = await write("one.example");
    using operator = new OperatorCertificate({ certFile, keyFile }, log, 10);
    assert.equal(operator.current.cert, first);
    const second = await write("two.example");
    await eventually(() => operator.current.cert === second);
    writeFileSync(certFile, "half a cert");
    const third = await write("three.example");
    await eventually(() => operator.current.cert === third);
  });

  test("is refused at the start when it is none", () => {
    using directory = makeDirectory();
    const file = join(directory.path, "cert.pem");
    writeFileSync(file, "no certificate");
    const files = { certFile: file, keyFile: file };
    assert.throws(() => new OperatorCertificate(files, log), /no certificate and its key/);
    const missing = { certFile: "/missing", keyFile: "/missing" };
    assert.throws(() => new OperatorCertificate(missing, log), { code: "ENOENT" });
  });

  test("is what clients are shown, also after a change", async () => {
    using directory = makeDirectory();
    const [certFile, keyFile] = [join(directory.path, "cert.pem"), join(directory.path, "key.pem")];
    const authority = await Authority.load(await Authority.create("Operator"));
    const { certificate, key } = await authority.issue(["*.boxes.example"], 10);
    writeFileSync(certFile, certificate);
    writeFileSync(keyFile, key);
    await using way = await startIngress({
      ...{ baseDomain: "boxes.example", publicPort: 443 },
      certificateFiles: { certFile, keyFile },
    });
    assert.equal(way.endpoint.caFile, null);
    const domain = await way.serve((_request, response) => response.end("yes"));
    assert.match(domain, /^[0-9a-z]{24}\.boxes\.example$/, "a proxy in front has port 443");
    const answer = await way.ask(domain, "/", { ca: authority.certificate });
    assert.equal(answer.body, "yes");
  });
});
