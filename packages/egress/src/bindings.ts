import { limits } from "@skerry/protocol";

/** Which names have led a machine to which addresses. What is too old or too much is forgotten. */
export class Bindings {
  /** Until when a name counts for an address, in ms of the clock; the oldest entries first. */
  readonly #untilMs = new Map<string, Map<string, number>>();
  readonly #now: () => number;
  #size = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(name: string, address: string, ttlSeconds: number): void {
    const names = this.#untilMs.get(address) ?? new Map<string, number>();
    if (!names.has(name)) this.#size += 1;
    names.set(name, this.#now() + ttlSeconds * 1_000);
    this.#untilMs.delete(address);
    this.#untilMs.set(address, names);
    while (this.#size > limits.nameBindingsMax) this.#dropOldest();
  }

  /** The names that have led to an address lately. */
  namesOf(address: string): readonly string[] {
    const now = this.#now();
    const names = [...(this.#untilMs.get(address) ?? [])];
    return names.flatMap(([name, untilMs]) => (untilMs > now ? [name] : []));
  }

  #dropOldest(): void {
    const [address, names] = this.#untilMs.entries().next().value ?? [];
    if (address === undefined) return;
    this.#untilMs.delete(address);
    this.#size -= names?.size ?? 0;
  }
}
