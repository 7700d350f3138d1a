import { InvalidTimeoutError } from "./errors.ts";

/** A length of time: a number with `s`, `m` or `h`. */
export type Duration = `${number}s` | `${number}m` | `${number}h`;

/** How long a sandbox lives: a length of time, or as long as the connection that created it. */
export type Lifetime = "session" | Duration;

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/**
 * The length of a duration in ms.
 *
 * @throws {InvalidTimeoutError} when it is not a positive number with a unit.
 */
export function parseDuration(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([smh])$/.exec(text) ?? [];
  const ms = Math.round(Number(amount) * (unitMs[unit ?? ""] ?? Number.NaN));
  if (!Number.isSafeInteger(ms)) {
    throw new InvalidTimeoutError(`Invalid duration: ${JSON.stringify(text)}.`, {
      remedy: 'Examples of valid durations: "30s", "15m", "2h".',
    });
  }
  if (ms === 0) throw new InvalidTimeoutError("A duration must be longer than nothing.");
  return ms;
}

/** Like {@link parseDuration}; `undefined` for `"session"`, which has no length. */
export function parseLifetime(text: string): number | undefined {
  return text === "session" ? undefined : parseDuration(text);
}
