import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { Authority } from "@skerry/certificates";
import { pino } from "pino";

import { eventually } from "../testing/eventually.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { AcmeCertificate } from "./acme-certificate.ts";
import type { CertificatePair } from "./certificate.ts";
import { OwnCertificate } from "./own-certificate.ts";

const log = pino({ level: "silent" });
const dayMs = 86_400_000;

async function world() {
  const clock = new FakeClock();
  const authority = await Authority.load(await Authority.create("Test"));
  const meanwhile = await OwnCertificate.issue(authority, { baseDomain: "b.example", clock, log });
  const issue = async (days: number): Promise<CertificatePair> => {
    const made = await authority.issue(["b.example"], days, new Date(clock.now()));
    return { cert: made.certificate, key: made.key };
  };
  const kept: CertificatePair[] = [];
  const keep = async (pair: CertificatePair): Promise<void> => void kept.push(pair);
  return { clock, meanwhile, issue, kept, keep };
}

suite("a certificate that an authority gives", () => {
  test("takes the place of our own when it is there, and is kept", async () => {
    const { clock, meanwhile, issue, kept, keep } = await world();
    const given = await issue(90);
    using certificate = new AcmeCertificate({
      ...{ certify: async () => given, kept: null, keep, meanwhile, clock, log },
    });
    assert.equal(certificate.current, meanwhile.current);
    const shown: CertificatePair[] = [];
    certificate.onChange = (next) => shown.push(next);
    clock.advance(0);
    await eventually(() => certificate.current === given);
    assert.deepEqual([shown, kept], [[given], [given]]);
  });

  test("is used again after a restart, and renewed when a third of its time is left", async () => {
    const { clock, meanwhile, issue, keep } = await world();
    const before = await issue(90);
    let asked = 0;
    const certify = async (): Promise<CertificatePair> => {
      asked += 1;
      return await issue(90);
    };
    using certificate = new AcmeCertificate({
      ...{ certify, kept: before, keep, meanwhile, clock, log },
    });
    assert.equal(certificate.current, before);
    const pass = async (days: number): Promise<void> => {
      for (let halfDays = 0; halfDays < days * 2; halfDays += 1) {
        clock.advance(dayMs / 2);
        await new Promise(setImmediate);
      }
    };
    await pass(58);
    assert.equal(asked, 0);
    await pass(4);
    await eventually(() => certificate.current !== before);
    assert.equal(asked, 1);
  });

  test("is asked for again when it was not given, less and less often", async () => {
    const { clock, meanwhile, issue, keep } = await world();
    const given = await issue(90);
    let asked = 0;
    const certify = async (): Promise<CertificatePair> => {
      asked += 1;
      if (asked < 4) throw new Error("the authority has a day off");
      return given;
    };
    using certificate = new AcmeCertificate({
      ...{ certify, kept: null, keep, meanwhile, clock, log },
    });
    for (const restMs of [0, 60_000, 120_000, 240_000]) {
      clock.advance(restMs);
      for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
    }
    await eventually(() => certificate.current === given);
    assert.equal(asked, 4);
  });

  test("is not used when it is over, or no certificate", async () => {
    const { clock, meanwhile, issue, keep } = await world();
    const old = await issue(1);
    clock.advance(2 * dayMs);
    for (const kept of [old, { cert: "none", key: "none" }]) {
      const never = Promise.withResolvers<CertificatePair>();
      using certificate = new AcmeCertificate({
        ...{ certify: () => never.promise, kept, keep, meanwhile, clock, log },
      });
      assert.notEqual(certificate.current, kept);
    }
  });
});
