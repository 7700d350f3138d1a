import { InvalidMemoryError } from "./errors.ts";

/** An amount of memory: bytes, or a number with a binary or decimal unit. */
export type MemorySize =
  | number
  | `${number}GiB`
  | `${number}MiB`
  | `${number}KiB`
  | `${number}GB`
  | `${number}MB`
  | `${number}kB`;

const unitBytes: Readonly<Record<string, number>> = {
  GiB: 1024 ** 3,
  MiB: 1024 ** 2,
  KiB: 1024,
  GB: 1000 ** 3,
  MB: 1000 ** 2,
  kB: 1000,
};

/**
 * An amount of memory in whole MiB, rounded down. Whether the server allows it, the server says.
 *
 * @throws {InvalidMemoryError} when it is not an amount of memory.
 */
export function parseMemorySize(size: number | string): number {
  const mib = Math.floor(bytesOf(size) / 1024 ** 2);
  if (!Number.isSafeInteger(mib) || mib < 1) {
    throw new InvalidMemoryError(`Invalid memory size: ${JSON.stringify(size)}.`, {
      remedy: 'Pass a number of bytes, or a text like "1GiB", "1280MiB" or "1GB".',
    });
  }
  return mib;
}

function bytesOf(size: number | string): number {
  if (typeof size === "number") return size;
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([GMK]iB|[GM]B|kB)$/.exec(size) ?? [];
  return Number(amount) * (unitBytes[unit ?? ""] ?? Number.NaN);
}
