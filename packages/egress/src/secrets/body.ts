import { limits } from "@skerry/protocol";

import type { Placeholders } from "./placeholders.ts";

/** What of a request's headers decides about its body; undefined where there is no such header. */
export interface BodyHeaders {
  readonly encoding: string | undefined;
  readonly length: string | undefined;
}

/**
 * Whether secrets may be put into a body: when one may be used so here, the body is not compressed,
 * and it says that it is short. All other bodies pass as they come.
 */
export function isBodyFilled(
  { encoding, length }: BodyHeaders,
  placeholders: Placeholders,
): boolean {
  if (!placeholders.isOpenTo("body")) return false;
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") return false;
  return length !== undefined && Number(length) <= limits.secretBodyBytesMax;
}

/** The body with secrets in it, each as the body's type has it written. @throws {SecretElsewhereError} */
export function fillBody(
  body: Buffer,
  type: string | undefined,
  placeholders: Placeholders,
): Buffer {
  // Latin-1 keeps every byte, whatever they are.
  const text = body.toString("latin1");
  const filled = placeholders.fill(text, "body", encodingOf(type?.toLowerCase() ?? ""));
  return filled === text ? body : Buffer.from(filled, "latin1");
}

function encodingOf(type: string): (value: string) => string {
  const write = (value: string): string => Buffer.from(value, "utf8").toString("latin1");
  if (type.startsWith("application/x-www-form-urlencoded")) return encodeURIComponent;
  if (/^application\/(?:[\w.-]+\+)?json\b/.test(type)) {
    return (value) => write(JSON.stringify(value).slice(1, -1));
  }
  return write;
}
