import { z } from "zod";

import { limits } from "./limits.ts";

/** Where the SSH gateway is, and what it proves itself by. */
export const SshEndpoint = z.object({
  /** A name or an address. It becomes part of what users are told to type. */
  host: z
    .string()
    .max(255)
    .regex(/^[A-Za-z0-9][A-Za-z0-9.:-]*$|^::[A-Za-z0-9.:]*$/),
  port: z.int().min(1).max(65_535),
  /** `ssh-ed25519 AAAA…` */
  hostKey: z
    .string()
    .max(limits.sshKeyBytesMax)
    .regex(/^[a-z0-9-]+ [A-Za-z0-9+/]+=*$/),
  /** `SHA256:…`, as OpenSSH shows it. */
  fingerprint: z
    .string()
    .max(128)
    .regex(/^SHA256:[A-Za-z0-9+/]+$/),
});
export type SshEndpoint = z.infer<typeof SshEndpoint>;

/** How to enter one sandbox. The official clients read `hostname` and `username`; the rest is ours. */
export const ExposeSshAnswer = z.object({
  hostname: z.string(),
  /** Whoever knows it may enter. */
  username: z.string(),
  port: z.int(),
  /** In OpenSSH's format; enters as well, also with the sandbox's id for a username. */
  privateKey: z.string(),
  /** `ssh-ed25519 AAAA…` */
  hostKey: z.string(),
  /** What to type. */
  command: z.string(),
});
export type ExposeSshAnswer = z.infer<typeof ExposeSshAnswer>;

/** A key of a user, as it is uploaded. */
export const SshKeyRequest = z.object({
  name: z.string().min(1).max(limits.sshKeyNameMax),
  public_key: z.string().max(limits.sshKeyBytesMax),
});

/** A key of a user, as it is told of. */
export const SshKey = z.object({
  id: z.string(),
  name: z.string(),
  /** The line in its plainest form. */
  public_key: z.string(),
  key_type: z.string(),
  /** `SHA256:…` */
  fingerprint_sha256: z.string(),
  comment: z.string(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
});
export type SshKey = z.infer<typeof SshKey>;

/** What the gateway asks: whom a username, and a key that was proved to be had, lead to. */
export const SshAuthorizeRequest = z.object({
  username: z.string().max(limits.sshUsernameMax),
  /** The key's blob, base64; null when none was proved. */
  key: z.string().max(limits.sshKeyBytesMax).nullable(),
  /** Where the client is, for the event log. */
  address: z.string().max(64),
});
export type SshAuthorizeRequest = z.infer<typeof SshAuthorizeRequest>;

/** The sandbox that may be entered. */
export const SshAuthorizeAnswer = z.object({
  sandboxId: z.string(),
  /** Opens one connection to it, once and soon, as a token does. */
  ticket: z.string(),
  /** The id of the user whose key, or way in, it is. */
  user: z.string().nullable(),
});
export type SshAuthorizeAnswer = z.infer<typeof SshAuthorizeAnswer>;

/** The types of keys that are taken (RFC 4253, 5656, 8709). */
export const sshKeyTypes = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "ssh-rsa",
] as const;
export type SshKeyType = (typeof sshKeyTypes)[number];

/** A line of an `authorized_keys` file, without options. */
export interface AuthorizedKey {
  readonly type: SshKeyType;
  /** The blob, base64. */
  readonly data: string;
  readonly comment: string;
}

const rsaBitsMin = 2_048;

/** @throws {RangeError} that says what is wrong with the line. */
export function parseAuthorizedKey(line: string): AuthorizedKey {
  const [, named = "", data = "", comment = ""] =
    /^\s*(\S+)[ \t]+([A-Za-z0-9+/]+={0,2})(?:[ \t]+([^\r\n]*?))?\s*$/.exec(line) ?? [];
  const type = sshKeyTypes.find((known) => known === named);
  if (type === undefined) {
    throw new RangeError(`a line like "ssh-ed25519 AAAA… you@host", of: ${sshKeyTypes.join(", ")}`);
  }
  const fields = fieldsOf(data);
  if (fields === null || textOf(fields[0]) !== type) {
    throw new RangeError("its data is not what its type says");
  }
  const expected = { "ssh-ed25519": 2, "ssh-rsa": 3 }[type as string] ?? 3;
  if (fields.length !== expected) throw new RangeError("its data is not what its type says");
  if (type === "ssh-ed25519" && fields[1]?.length !== 32) throw new RangeError("its data is cut");
  if (type === "ssh-rsa" && bitsOf(fields[2]) < rsaBitsMin) {
    throw new RangeError(`an RSA key has ${rsaBitsMin} bits or more`);
  }
  return { type, data, comment: comment.slice(0, limits.sshKeyNameMax) };
}

/** The fields of a blob, each after its length (RFC 4251, 5); null when lengths lead nowhere. */
function fieldsOf(data: string): Uint8Array[] | null {
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.from(atob(data), (letter) => letter.codePointAt(0) ?? 0);
  } catch {
    return null;
  }
  const fields: Uint8Array[] = [];
  const view = new DataView(bytes.buffer);
  let at = 0;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) return null;
    const length = view.getUint32(at);
    if (at + 4 + length > bytes.length) return null;
    fields.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return fields;
}

function textOf(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}

function bitsOf(number: Uint8Array | undefined): number {
  const first = number?.findIndex((byte) => byte !== 0) ?? -1;
  if (number === undefined || first === -1) return 0;
  return (number.length - first) * 8 - Math.clz32(number[first] ?? 0) + 24;
}
