/** Measures consecutive steps: each mark names the time since the one before, in ms. */
export class Phases {
  readonly done: Record<string, number> = {};
  #last = performance.now();

  mark(name: string): void {
    const now = performance.now();
    this.done[name] = (this.done[name] ?? 0) + now - this.#last;
    this.#last = now;
  }
}
