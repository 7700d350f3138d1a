/** Places for connections, so many for each address, sandbox or user. */
export class Places {
  readonly #max: number;
  readonly #taken = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Takes a place if there is one; disposing of it, once, gives it back. */
  take(key: string): Disposable | null {
    const taken = this.#taken.get(key) ?? 0;
    if (taken >= this.#max) return null;
    this.#taken.set(key, taken + 1);
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#give(key);
        isHeld = false;
      },
    };
  }

  #give(key: string): void {
    const left = (this.#taken.get(key) ?? 0) - 1;
    if (left > 0) this.#taken.set(key, left);
    else this.#taken.delete(key);
  }
}
