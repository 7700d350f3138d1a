import { readName, type Destination, type Refusal } from "@skerry/protocol";

import { fillHead, type FilledHead, type Head } from "./head.ts";
import { SecretElsewhereError, type Placeholders } from "./placeholders.ts";

/** A connection of a machine over which secrets may go. */
export interface Line {
  readonly to: Destination;
  readonly port: number;
  /** The machine's secrets as they are now. */
  placeholders(): Placeholders;
  /** Tells the machine's event log. */
  refuse(reason: Refusal["reason"], secret?: string): void;
}

/** What a request gets instead of the server's answer. */
export interface Refused {
  readonly kind: "refused";
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

/** A request as it goes on. */
export interface Admitted {
  readonly kind: "admitted";
  readonly head: FilledHead;
  readonly placeholders: Placeholders;
}

/**
 * Judges a request and puts secrets into its head. A connection leads to one host: a request for another
 * could have a secret end up where it may not be.
 *
 * @param hosts What the request says that its host is; one, if it is good.
 */
export function admit(head: Head, hosts: readonly string[], line: Line): Admitted | Refused {
  const [host] = hosts;
  if (host === undefined || hosts.length > 1 || !isHost(host, line)) {
    line.refuse("other-host");
    const message = "This request is for another host than its connection.";
    return { kind: "refused", status: 421, code: "OTHER_HOST", message };
  }
  const placeholders = line.placeholders();
  try {
    return { kind: "admitted", head: fillHead(head, placeholders), placeholders };
  } catch (error) {
    return refusedFor(error, line);
  }
}

/** What a request gets whose secret may not go there. @throws the error, when it is another. */
export function refusedFor(error: unknown, line: Line): Refused {
  if (!(error instanceof SecretElsewhereError)) throw error;
  line.refuse("secret-elsewhere", error.secret);
  const message = `The secret ${error.secret} may not be sent to this host. Its hosts are named when the sandbox is created.`;
  return { kind: "refused", status: 403, code: "SECRET_ELSEWHERE", message };
}

/** The body of the answer to a request that is refused: JSON like that of any error of Skerry. */
export function bodyOf({ code, message }: Refused): string {
  return `${JSON.stringify({ code, message })}\n`;
}

function isHost(text: string, { to, port }: Line): boolean {
  const [, host = "", digits] = /^(.*?)(?::(\d{1,5}))?$/s.exec(text) ?? [];
  if (digits !== undefined && Number(digits) !== port) return false;
  return to.kind === "name" ? readName(host) === to.name : host === to.address;
}
