import { z } from "zod";

import { isRefusedAddress, parseIpv4 } from "./internet-address.ts";
import { limits } from "./limits.ts";

const port = z.int().min(1).max(65_535).nullable();

/** One entry of `allowNet`, read. A port of null is any. */
export const AllowRule = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("name"), name: z.string().max(253), port }),
  /** Whatever is below `name`, but not `name` itself. */
  z.object({ kind: z.literal("below"), name: z.string().max(253), port }),
  z.object({ kind: z.literal("address"), address: z.string().max(45), port }),
]);
export type AllowRule = z.infer<typeof AllowRule>;

/** What a sandbox may reach, beside what none ever reaches. */
export const NetworkPolicy = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("open") }),
  z.object({ kind: z.literal("filtered"), rules: z.array(AllowRule).max(limits.allowRulesMax) }),
]);
export type NetworkPolicy = z.infer<typeof NetworkPolicy>;

/** The policy that a client's `allowNet` is. @throws {RangeError} that says what is wrong with it. */
export function networkPolicyOf(allowNet: readonly string[] | null | undefined): NetworkPolicy {
  if (allowNet === undefined || allowNet === null) return { kind: "open" };
  if (allowNet.length > limits.allowRulesMax) {
    throw new RangeError(`it has more than ${limits.allowRulesMax} entries`);
  }
  return { kind: "filtered", rules: allowNet.map(parseAllowRule) };
}

/** The opposite of {@link networkPolicyOf}, each entry in its plainest form; null where all may be reached. */
export function allowNetOf(policy: NetworkPolicy): string[] | null {
  return policy.kind === "open" ? null : policy.rules.map(allowRuleText);
}

/** The opposite of {@link parseAllowRule}, in its plainest form. */
export function allowRuleText(rule: AllowRule): string {
  const { port } = rule;
  const host =
    rule.kind === "address"
      ? rule.address.includes(":")
        ? `[${rule.address}]`
        : rule.address
      : `${rule.kind === "below" ? "*." : ""}${rule.name}`;
  return port === null ? host : `${host}:${port}`;
}

const labelPattern = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;

/**
 * Reads an entry of `allowNet`: `example.com`, `*.example.com`, `192.0.2.1` or `[2001:db8::1]`, each with
 * a port or without.
 *
 * @throws {RangeError} that says what is wrong with it.
 */
export function parseAllowRule(text: string): AllowRule {
  const fail = (why: string): never => {
    throw new RangeError(`${JSON.stringify(text.slice(0, 300))} ${why}`);
  };
  const [, bracketed, plain, digits] =
    /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([^[\]:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const number = digits === undefined ? null : Number(digits);
  if (number !== null && (number < 1 || number > 65_535)) fail("has a port that none is");
  if (bracketed !== undefined)
    return { kind: "address", address: readIpv6(bracketed) ?? fail("is no address"), port: number };
  if (plain === undefined)
    return fail("is no host, as in example.com, *.example.com:443 or 192.0.2.1");
  if (/^[0-9.]+$/.test(plain)) {
    if (parseIpv4(plain) === null) fail("is no address of four numbers");
    if (isRefusedAddress(plain)) fail("is an address that no sandbox may reach");
    return { kind: "address", address: plain, port: number };
  }
  const isBelow = plain.startsWith("*.");
  const name = readName(isBelow ? plain.slice(2) : plain) ?? fail("is no host name");
  if (name === "localhost" || name.endsWith(".localhost"))
    fail("is the sandbox itself, which needs no rule");
  return { kind: isBelow ? "below" : "name", name, port: number };
}

/** A host name in the form in which names are compared: small letters, ASCII, no dot at its end. */
export function readName(text: string): string | null {
  const ascii = /^[\x21-\x7e]*$/.test(text) ? text.toLowerCase() : asciiOf(text);
  const name = ascii?.endsWith(".") === true ? ascii.slice(0, -1) : ascii;
  if (name === null || name === undefined || name === "" || name.length > 253) return null;
  const labels = name.split(".");
  const isName = labels.every((label) => labelPattern.test(label));
  // What ends in a number is an address, in one of the forms that resolvers understand.
  return isName && !/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? "") ? name : null;
}

function asciiOf(text: string): string | null {
  if (/[\s/?#@:\\%]/.test(text)) return null;
  return URL.parse(`http://${text}`)?.hostname ?? null;
}

function readIpv6(text: string): string | null {
  return URL.parse(`http://[${text}]`)?.hostname.slice(1, -1) ?? null;
}

/** The rule by which a name may be reached on a port, or on any when `to` is null. */
export function ruleForName(
  rules: readonly AllowRule[],
  name: string,
  to: number | null,
): AllowRule | undefined {
  return rules.find(
    (rule) =>
      (to === null || rule.port === null || rule.port === to) &&
      ((rule.kind === "name" && rule.name === name) ||
        (rule.kind === "below" && name.endsWith(`.${rule.name}`))),
  );
}

/** The rule by which an address may be reached by itself. */
export function ruleForAddress(
  rules: readonly AllowRule[],
  address: string,
  to: number,
): AllowRule | undefined {
  return rules.find(
    (rule) =>
      rule.kind === "address" &&
      rule.address === address &&
      (rule.port === null || rule.port === to),
  );
}
