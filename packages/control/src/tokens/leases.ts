/** Something that can be taken back: a token, a user, an SSH key. */
export type LeaseTag = `${"token" | "user" | "key"}:${string}`;

/** What was opened with tokens and keys, and ends when one of them is taken back. */
export class Leases {
  readonly #open = new Map<LeaseTag, Set<() => void>>();

  /** Has `end` called when one of these is taken back, until the answer is disposed of. */
  hold(tags: readonly LeaseTag[], end: () => void): Disposable {
    const lease = (): void => end();
    for (const tag of tags) {
      const open = this.#open.get(tag) ?? new Set();
      this.#open.set(tag, open.add(lease));
    }
    return { [Symbol.dispose]: () => this.#release(tags, lease) };
  }

  /** Ends all that was opened with this. */
  end(tag: LeaseTag): void {
    for (const lease of [...(this.#open.get(tag) ?? [])]) lease();
  }

  #release(tags: readonly LeaseTag[], lease: () => void): void {
    for (const tag of tags) {
      const open = this.#open.get(tag);
      open?.delete(lease);
      if (open?.size === 0) this.#open.delete(tag);
    }
  }
}
