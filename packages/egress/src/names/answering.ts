import { limits, readName, ruleForName } from "@skerry/protocol";

import type { Dialling } from "../dial.ts";
import type { MachineState } from "../machines.ts";
import { readQuestion, responseCode, writeAnswer, type Question } from "./message.ts";
import { NoSuchName } from "./upstream.ts";

/** SVCB and HTTPS (RFC 9460), as the library has them. */
const serviceTypes: ReadonlySet<string> = new Set(["SVCB", "HTTPS", "UNKNOWN_64", "UNKNOWN_65"]);

/**
 * The answer to what a machine asks, or null for none. A filtered machine gets the addresses of the names
 * that it may reach, and learns nothing else; one that is open gets what the name servers of the host say.
 */
export async function answerTo(
  message: Buffer,
  transport: "udp" | "tcp",
  machine: MachineState,
  sources: Dialling,
): Promise<Buffer | null> {
  const question = readQuestion(message);
  if (question === null) return null;
  if (machine.queries >= limits.nameQueriesMax) {
    machine.refuse({ host: question.name, port: null, reason: "too-many" });
    return writeAnswer(question, responseCode.serverFailure);
  }
  machine.queries += 1;
  try {
    if (machine.policy.kind === "filtered") return await filteredAnswer(question, machine, sources);
    // They would tell a program to hide which host it means, and no secret could be put in.
    if (machine.secrets.length > 0 && serviceTypes.has(question.type)) {
      return writeAnswer(question, responseCode.ok);
    }
    return await sources.upstream.exchange(message, transport);
  } catch (error) {
    const isUnknown = error instanceof NoSuchName;
    return writeAnswer(question, responseCode[isUnknown ? "noSuchName" : "serverFailure"]);
  } finally {
    machine.queries -= 1;
  }
}

async function filteredAnswer(
  question: Question,
  machine: MachineState,
  { upstream, isRefused }: Dialling,
): Promise<Buffer> {
  const name = readName(question.name);
  const { policy } = machine;
  const rules = policy.kind === "filtered" ? policy.rules : [];
  if (name === null || ruleForName(rules, name, null) === undefined) {
    machine.refuse({ host: question.name.slice(0, 260), port: null, reason: "no-rule" });
    return writeAnswer(question, responseCode.refused);
  }
  // Machines have IPv4 alone, and a record of another kind could carry anything.
  if (question.type !== "A") return writeAnswer(question, responseCode.ok);
  const found = await upstream.addresses(name);
  const addresses = found
    .filter(({ address }) => !isRefused(address, null))
    .slice(0, limits.nameAddressesMax)
    .map(({ address, ttl }) => ({ address, ttl: clampedTtl(ttl) }));
  if (found.length > 0 && addresses.length === 0) {
    machine.refuse({ host: name, port: null, reason: "refused-address" });
  }
  // It counts for longer than the machine is told, so that what it remembers does not fail.
  for (const { address, ttl } of addresses) machine.bindings.add(name, address, ttl * 2 + 60);
  return writeAnswer(question, responseCode.ok, addresses);
}

function clampedTtl(seconds: number): number {
  return Math.min(Math.max(seconds, limits.nameTtlMinSeconds), limits.nameTtlMaxSeconds);
}
