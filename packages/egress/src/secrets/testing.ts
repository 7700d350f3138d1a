import {
  secretGrantOf,
  type Destination,
  type SecretConfig,
  type SecretGrant,
} from "@skerry/protocol";

import { Placeholders } from "./placeholders.ts";

/** A secret whose placeholder has this digit. */
export function secretWith(
  digit: string,
  config: Partial<SecretConfig> & { readonly name?: string } = {},
): SecretGrant {
  const { name = `KEY_${digit}`, ...rest } = config;
  const value = `sk-value-${digit}-0123456789`;
  return secretGrantOf(name, { hosts: ["api.example"], value, ...rest }, placeholderOf(digit));
}

export function placeholderOf(digit: string): string {
  return `DENO_SECRET_PLACEHOLDER_${digit.repeat(64)}`;
}

/** What a connection to `api.example:443` knows of these secrets. */
export function placeholdersOf(
  secrets: readonly SecretGrant[],
  to: Destination = { kind: "name", name: "api.example" },
): Placeholders {
  return new Placeholders(secrets, to, 443);
}
