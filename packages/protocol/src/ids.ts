import { z } from "zod";

/** What ids are made of: base 32 without the letters that are read as digits. */
export const idAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/**
 * The alphabet that the official client accepts in an id is `0-9a-hjkmnp-z`; ours is the part of it
 * with exactly 32 letters, so that five random bits make one letter and none is more likely.
 */
export const SandboxId = z
  .string()
  .regex(/^sbx_[a-z]{3}_[0-9a-hjkmnp-z]{20}$/)
  .brand<"SandboxId">();
export type SandboxId = z.infer<typeof SandboxId>;

/** Three letters, as in `ord`. */
export const Region = z.string().regex(/^[a-z]{3}$/);

/** Makes a sandbox id of `region` from 20 random bytes (five bits of each are used: 100 bits). */
export function makeSandboxId(region: string, random: Uint8Array): SandboxId {
  return SandboxId.parse(`sbx_${region}_${letters(random, 20)}`);
}

/** The region that an id names. */
export function regionOf(id: SandboxId): string {
  return id.slice(4, 7);
}

/** `count` letters of {@link idAlphabet} from as many random bytes. */
export function letters(random: Uint8Array, count: number): string {
  if (random.length < count) throw new RangeError(`${count} letters need ${count} random bytes`);
  let text = "";
  for (const byte of random.subarray(0, count)) text += idAlphabet[byte & 31];
  return text;
}
