/** An Ed25519 key pair in the forms that OpenSSH reads. */
export interface OpenSshKeyPair {
  /** The text of a key file, without a passphrase. */
  readonly privateKey: string;
  /** `ssh-ed25519 AAAA…` */
  readonly publicKey: string;
  /** The blob in it, base64. */
  readonly data: string;
}

/** A private Ed25519 key as JSON Web Keys have it (RFC 8037): both halves in base64url. */
export interface Ed25519Jwk {
  readonly d?: string | undefined;
  readonly x?: string | undefined;
}

const type = "ssh-ed25519";
const blockBytes = 8;

/**
 * Writes a key as OpenSSH's PROTOCOL.key has it.
 *
 * @param check Four random bytes, by which a reader knows that it has decrypted well.
 */
export function encodeOpenSshKey(
  { d = "", x = "" }: Ed25519Jwk,
  check: Uint8Array,
  comment: string,
): OpenSshKeyPair {
  const [seed, publicKey] = [fromBase64Url(d), fromBase64Url(x)];
  const encoder = new TextEncoder();
  const text = (value: string): Uint8Array => field(encoder.encode(value));
  const blob = join(text(type), field(publicKey));
  const secret = join(
    ...[check, check, text(type), field(publicKey), field(join(seed, publicKey)), text(comment)],
  );
  const padding = Uint8Array.from(
    { length: (blockBytes - (secret.length % blockBytes)) % blockBytes },
    (_, index) => index + 1,
  );
  const magic = encoder.encode("openssh-key-v1\0");
  const count = Uint8Array.of(0, 0, 0, 1);
  const file = join(
    ...[magic, text("none"), text("none"), text(""), count, field(blob)],
    field(join(secret, padding)),
  );
  const lines = toBase64(file).match(/.{1,70}/g) ?? [];
  const label = "OPENSSH PRIVATE KEY";
  const data = toBase64(blob);
  return {
    privateKey: [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n"),
    publicKey: `${type} ${data}`,
    data,
  };
}

function field(bytes: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return join(length, bytes);
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function fromBase64Url(text: string): Uint8Array {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
}

function toBase64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCodePoint(byte)).join(""));
}
