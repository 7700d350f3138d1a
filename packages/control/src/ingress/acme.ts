import type * as Library from "acme-client";

import type { CertificatePair } from "./certificate.ts";

/** Makes a name have a TXT record with a value, or have it no more. Resolves when the world can see it. */
export type SetRecord = (what: "add" | "remove", name: string, value: string) => Promise<void>;

/** Who certifies, for whom, and how it is shown that the names are ours (RFC 8555). */
export interface AcmeOptions {
  readonly directoryUrl: string;
  /** Told to whom is certified for; its terms of service are agreed to. */
  readonly email: string;
  readonly setRecord: SetRecord;
}

/**
 * Has an authority certify names, by records in the DNS (`dns-01`): it is the one way for names below a
 * wildcard.
 *
 * @param accountKey PEM.
 * @throws {Error} when the authority, or the DNS, does not go along.
 */
export async function certify(
  names: readonly [string, ...string[]],
  accountKey: string,
  { directoryUrl, email, setRecord }: AcmeOptions,
): Promise<CertificatePair> {
  const { Client, crypto } = await library();
  const client = new Client({ directoryUrl, accountKey });
  const [key, csr] = await crypto.createCsr(
    { commonName: names[0], altNames: [...names] },
    await crypto.createPrivateEcdsaKey(),
  );
  const record = ({ identifier }: { readonly identifier: { readonly value: string } }): string =>
    `_acme-challenge.${identifier.value}`;
  const cert = await client.auto({
    ...{ csr, email, termsOfServiceAgreed: true, challengePriority: ["dns-01"] },
    skipChallengeVerification: true, // who sets the record says when it is there
    challengeCreateFn: async (authorization, _challenge, value) =>
      await setRecord("add", record(authorization), value),
    challengeRemoveFn: async (authorization, _challenge, value) =>
      await setRecord("remove", record(authorization), value),
  });
  return { cert, key: key.toString() };
}

/** The key of a new account, PEM. */
export async function makeAccountKey(): Promise<string> {
  const { crypto } = await library();
  return (await crypto.createPrivateEcdsaKey()).toString();
}

/** It is large, and most servers do without. */
async function library(): Promise<typeof Library> {
  return await import("acme-client");
}
