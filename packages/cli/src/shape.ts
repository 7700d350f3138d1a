import type { Arguments } from "./arguments.ts";
import type { Context } from "./context.ts";
import { UsageError } from "./failure.ts";

/**
 * The sandbox that a command line names first, else `SANDBOX_ID`, and the words after it.
 *
 * @throws {UsageError} when there is neither.
 */
export function sandboxAndRest(
  args: Arguments,
  { config }: Context,
): readonly [id: string, rest: readonly string[]] {
  const [first, ...rest] = args.positionals;
  if (first !== undefined && isSandboxId(first)) return [first, rest];
  if (config.sandboxId !== undefined) return [config.sandboxId, args.positionals];
  throw new UsageError("a sandbox ID is needed, or SANDBOX_ID in the environment");
}

/** Whether a word is meant as the id of a sandbox. */
export function isSandboxId(word: string): boolean {
  return word.startsWith("sbx_");
}

/** How long something took, with the two largest units: `"1h 5m"`. */
export function spanText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  const from = parts.findIndex(([count]) => count > 0);
  if (from === -1) return "0s";
  return parts
    .slice(from, from + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(" ");
}

/** A number of bytes: `"1.5 MiB"`. */
export function sizeText(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** A time as tables show it: UTC, to the second. */
export function timeText(time: Date): string {
  return time.toISOString().slice(0, 19).replace("T", " ");
}
