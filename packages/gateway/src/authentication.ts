import { limits, SandboxId } from "@skerry/protocol";
import ssh2, { type AuthContext, type PublicKeyAuthContext } from "ssh2";

import type { Entry } from "./control-client.ts";

/** Whom a username leads to, and how that was proved. */
export interface Entrant extends Entry {
  readonly how: "username" | "key";
}

/** Asks whom a username, and a key that was proved, lead to; null: nobody, for whatever reason. */
export type Authorize = (username: string, key: string | null) => Promise<Entry | null>;

/**
 * Lets one connection log in. A key counts when its owner has signed with it, never when it is only
 * offered; and whoever may not enter learns nothing, not even whether a sandbox exists.
 */
export class Authentication {
  entrant: Entrant | null = null;
  readonly #authorize: Authorize;
  readonly #giveUp: () => void;
  readonly #failed: () => Promise<void>;
  #tries = 0;

  /**
   * @param failed Is told of every failure; the client hears of it when that resolves.
   * @param giveUp Ends the connection of who has tried too often.
   */
  constructor(authorize: Authorize, failed: () => Promise<void>, giveUp: () => void) {
    this.#authorize = authorize;
    this.#failed = failed;
    this.#giveUp = giveUp;
  }

  /** Never rejects. */
  async attempt(context: AuthContext): Promise<void> {
    this.#tries += 1;
    if (this.#tries > limits.sshLoginTriesMax || context.username.length > limits.sshUsernameMax) {
      return this.#giveUp();
    }
    try {
      if (context.method === "none") return await this.#byUsername(context);
      if (context.method === "publickey") return await this.#byKey(context);
    } catch {
      // No answer is a no.
    }
    this.#refuse(context);
  }

  /** A no that costs nothing is no failure: clients ask what they may try, and offer keys. */
  #refuse(context: AuthContext): void {
    context.reject(["publickey"], false);
  }

  async #fail(context: AuthContext): Promise<void> {
    await this.#failed();
    this.#refuse(context);
  }

  async #byUsername(context: AuthContext): Promise<void> {
    // A sandbox's id leads nowhere without a key, and standard clients try so first.
    if (SandboxId.safeParse(context.username).success) return this.#refuse(context);
    const entry = await this.#authorize(context.username, null);
    if (entry === null) return await this.#fail(context);
    this.entrant = { ...entry, how: "username" };
    context.accept();
  }

  async #byKey(context: PublicKeyAuthContext): Promise<void> {
    const { algo, data } = context.key;
    const key = data.toString("base64");
    const parsed = ssh2.utils.parseKey(`${algo} ${key}`);
    if (parsed instanceof Error) return await this.#fail(context);
    // An offer: which keys are good is for their owners to know, so any is worth a signature.
    if (context.signature === undefined) return context.accept();
    const { blob, signature, hashAlgo } = context;
    const isProved = blob !== undefined && parsed.verify(blob, signature, hashAlgo) === true;
    const entry = isProved ? await this.#authorize(context.username, key) : null;
    if (entry === null) return await this.#fail(context);
    this.entrant = { ...entry, how: "key" };
    context.accept();
  }
}
