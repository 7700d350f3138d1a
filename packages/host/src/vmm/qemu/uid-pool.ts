import { randomInt } from "node:crypto";

/** Where the user ids of machines begin; nothing else on a Debian host uses ids of this range. */
const firstUid = 1_879_048_192;
const uidCount = 16_777_216;

/**
 * Gives every running machine a user id of its own, so that none can touch what is another's. The
 * choice is random, so that two servers on one host do not choose the same.
 */
export class UidPool {
  readonly #taken = new Set<number>();

  take(): Disposable & { readonly uid: number } {
    let uid;
    do uid = firstUid + randomInt(uidCount);
    while (this.#taken.has(uid));
    return this.claim(uid);
  }

  /** Takes the very id that an adopted machine has. */
  claim(uid: number): Disposable & { readonly uid: number } {
    this.#taken.add(uid);
    return { uid, [Symbol.dispose]: () => this.#taken.delete(uid) };
  }
}
