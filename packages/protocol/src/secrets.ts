import { z } from "zod";

import { limits } from "./limits.ts";
import { AllowRule, parseAllowRule, ruleForAddress, ruleForName } from "./network-policy.ts";

/** What every placeholder begins with; 64 hexadecimal digits follow. */
export const placeholderPrefix = "DENO_SECRET_PLACEHOLDER_";

/** The port of a secret's host that names none. */
const httpsPort = 443;

/** A part of a request in which a placeholder may become the value. */
export const SecretPlace = z.enum(["header", "query", "body"]);
export type SecretPlace = z.infer<typeof SecretPlace>;

/** A secret as clients give it. `in` is ours: the official clients have none. */
export const SecretConfig = z.object({
  hosts: z.array(z.string()),
  value: z.string(),
  in: z.array(SecretPlace).nullish(),
});
export type SecretConfig = z.infer<typeof SecretConfig>;

/** A change of a secret, or a new one, which needs a value and hosts. What is left out stays as it is. */
export const SecretChange = SecretConfig.partial();
export type SecretChange = z.infer<typeof SecretChange>;

/** What is told of a secret, which is never its value. */
export const SecretSummary = z.object({
  name: z.string(),
  hosts: z.array(z.string()),
  in: z.array(SecretPlace),
});
export type SecretSummary = z.infer<typeof SecretSummary>;

/** The secrets of a sandbox. */
export const SecretList = z.object({ secrets: z.array(SecretSummary) });

/** A secret that a machine may use: what stands for it in the machine, and where it may go. */
export const SecretGrant = z.object({
  /** The variable in the machine. */
  name: z.string().max(limits.secretNameBytesMax),
  placeholder: z.string().regex(/^DENO_SECRET_PLACEHOLDER_[0-9a-f]{64}$/),
  value: z.string().min(1),
  /** Each with a port. */
  hosts: z.array(AllowRule).min(1),
  in: z.array(SecretPlace).min(1),
});
export type SecretGrant = z.infer<typeof SecretGrant>;

/**
 * Reads a secret of a client. No error has the value in it.
 *
 * @param placeholder What stands for it in the machine.
 * @throws {RangeError} that says what is wrong with it.
 */
export function secretGrantOf(
  name: string,
  { hosts, value, in: places }: SecretConfig,
  placeholder: string,
): SecretGrant {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || name.length > limits.secretNameBytesMax) {
    throw new RangeError(`${JSON.stringify(name.slice(0, 100))} is no name of a variable`);
  }
  const fail = (why: string): never => {
    throw new RangeError(`${name}: ${why}`);
  };
  if (value === "") fail("its value is empty");
  // A line break would end a header, and most that come are the end of a file that was read.
  if (/\p{Cc}/u.test(value)) fail("its value has a control character in it");
  if (value !== value.trim()) fail("its value begins or ends with a space");
  if (new TextEncoder().encode(value).length > limits.secretValueBytesMax) {
    fail(`its value is longer than ${limits.secretValueBytesMax} bytes`);
  }
  if (hosts.length === 0) fail("it has no hosts");
  if (hosts.length > limits.secretHostsMax) fail(`it has more than ${limits.secretHostsMax} hosts`);
  if (places?.length === 0) fail("it may be in no part of a request");
  return {
    name,
    placeholder,
    value,
    hosts: hosts.map((host) => readHost(host, fail)),
    in: [...new Set(places ?? (["header"] as const))],
  };
}

function readHost(text: string, fail: (why: string) => never): AllowRule {
  try {
    const rule = parseAllowRule(text);
    return { ...rule, port: rule.port ?? httpsPort };
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

/** Where a TLS connection leads, as the machine has been let through. */
export type Destination =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "address"; readonly address: string };

/** Whether a secret may go there. */
export function isSecretFor(grant: SecretGrant, to: Destination, port: number): boolean {
  return to.kind === "name"
    ? ruleForName(grant.hosts, to.name, port) !== undefined
    : ruleForAddress(grant.hosts, to.address, port) !== undefined;
}
