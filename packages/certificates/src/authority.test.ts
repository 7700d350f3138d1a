import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { suite, test } from "node:test";
import { connect, createServer } from "node:tls";

import { Authority } from "./authority.ts";
import { IssuedCertificates } from "./issued-certificates.ts";

suite("an authority", () => {
  test("issues what those who trust it accept, for its names and no others", async () => {
    const authority = await Authority.load(await Authority.create("Test authority"));
    const issued = await authority.issue(["*.a.example", "192.0.2.1"], 7);
    const server = createServer({ cert: issued.certificate, key: issued.key });
    server.on("tlsClientError", () => {});
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const errorFor = async (servername: string, ca?: string): Promise<string> => {
      const socket = connect({ port, host: "127.0.0.1", servername, ca: ca ?? [] });
      try {
        await once(socket, "secureConnect");
        return "none";
      } catch (error) {
        return String((error as { code?: unknown }).code);
      } finally {
        socket.destroy();
      }
    };
    try {
      assert.equal(await errorFor("x.a.example", authority.certificate), "none");
      const other = "ERR_TLS_CERT_ALTNAME_INVALID";
      assert.equal(await errorFor("a.example", authority.certificate), other);
      assert.equal(await errorFor("x.a.example.evil", authority.certificate), other);
      assert.equal(await errorFor("x.a.example"), "UNABLE_TO_VERIFY_LEAF_SIGNATURE");
      assert.ok(new X509Certificate(issued.certificate).checkIP("192.0.2.1"));
    } finally {
      server.close();
    }
  });

  test("is itself again when it is loaded", async () => {
    const parts = await Authority.create("Test authority");
    const issued = await (await Authority.load(parts)).issue(["a.example"], 7);
    const root = new X509Certificate((await Authority.load(parts)).certificate);
    assert.ok(root.ca);
    assert.ok(new X509Certificate(issued.certificate).verify(root.publicKey));
    assert.equal(root.subject, "CN=Test authority");
  });

  test("is not made of a certificate and another's key", async () => {
    const [one, other] = await Promise.all([Authority.create("One"), Authority.create("Other")]);
    await assert.rejects(Authority.load({ certificate: one.certificate, key: other.key }), /key/);
    await assert.rejects(Authority.load({ certificate: one.certificate, key: "" }), /key/);
  });

  test("issues what was good yesterday, for clocks that are behind", async () => {
    const authority = await Authority.load(await Authority.create("Test authority"));
    const now = new Date("2030-01-02T12:00:00Z");
    const leaf = new X509Certificate((await authority.issue(["a.example"], 1, now)).certificate);
    assert.equal(leaf.validFromDate.toISOString(), "2030-01-01T12:00:00.000Z");
    assert.equal(leaf.validToDate.toISOString(), "2030-01-03T12:00:00.000Z");
  });
});

suite("issued certificates", () => {
  test("are kept until half of their time is over, and the latest are kept", async () => {
    let nowMs = Date.parse("2030-01-01T00:00:00Z");
    const authority = await Authority.load(await Authority.create("Test authority"));
    const kept = new IssuedCertificates(authority, { days: 2, countMax: 2, now: () => nowMs });
    const first = await kept.get("a.example");
    assert.equal(await kept.get("a.example"), first);
    nowMs += 86_400_000;
    const second = await kept.get("a.example");
    assert.notEqual(second, first);
    await kept.get("b.example");
    await kept.get("a.example");
    await kept.get("c.example");
    assert.equal(await kept.get("a.example"), second);
  });
});
