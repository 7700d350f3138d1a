/** What many measurements of one thing come to. */
export interface Summary {
  readonly n: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly min: number;
  readonly max: number;
}

/** One line of a result: what was measured, in which unit. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly summary: Summary;
}

/** Sums measurements up. With few of them p95 and p99 are the largest. */
export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => {
    const index = Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1);
    return round(sorted[Math.max(0, index)] ?? Number.NaN);
  };
  return { n: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), min: at(0), max: at(1) };
}

export function row(name: string, unit: string, values: readonly number[]): Row {
  return { name, unit, summary: summarize(values) };
}

/** Times one run, in ms. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** Times `count` runs one after the other, after `warmUps` that do not count. */
export async function times(
  count: number,
  work: () => Promise<unknown>,
  warmUps = 2,
): Promise<number[]> {
  for (let i = 0; i < warmUps; i += 1) await work();
  const values: number[] = [];
  for (let i = 0; i < count; i += 1) values.push(await timed(work));
  return values;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
