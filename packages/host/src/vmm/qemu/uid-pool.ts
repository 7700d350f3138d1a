/** The first user id of the machines; nothing else on a Debian host uses ids of this range. */
const firstUid = 1_879_048_192;

/** Gives every running machine a user id of its own, so that none can touch what is another's. */
export class UidPool {
  readonly #taken = new Set<number>();

  take(): Disposable & { readonly uid: number } {
    let uid = firstUid;
    while (this.#taken.has(uid)) uid += 1;
    return this.claim(uid);
  }

  /** Takes the very id that an adopted machine has. */
  claim(uid: number): Disposable & { readonly uid: number } {
    this.#taken.add(uid);
    return { uid, [Symbol.dispose]: () => this.#taken.delete(uid) };
  }
}
