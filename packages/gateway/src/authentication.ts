import { limits } from "@skerry/protocol";
import ssh2, { type AuthContext, type PublicKeyAuthContext } from "ssh2";

/** Whom a username leads to, and how that was proved. */
export interface Entrant {
  readonly sandboxId: string;
  readonly how: "username" | "key";
  /** The blob of the key, base64. */
  readonly key: string | null;
}

/** Asks whom a username, and a key that was proved, lead to; null: nobody, for whatever reason. */
export type Authorize = (username: string, key: string | null) => Promise<string | null>;

/**
 * Lets one connection log in. A key counts when its owner has signed with it, never when it is only
 * offered; and whoever may not enter learns nothing, not even whether a sandbox exists.
 */
export class Authentication {
  entrant: Entrant | null = null;
  readonly #authorize: Authorize;
  readonly #giveUp: () => void;
  #tries = 0;

  /** @param giveUp Ends the connection of who has tried too often. */
  constructor(authorize: Authorize, giveUp: () => void) {
    this.#authorize = authorize;
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
    context.reject(["publickey"], false);
  }

  async #byUsername(context: AuthContext): Promise<void> {
    const sandboxId = await this.#authorize(context.username, null);
    if (sandboxId === null) return context.reject(["publickey"], false);
    this.entrant = { sandboxId, how: "username", key: null };
    context.accept();
  }

  async #byKey(context: PublicKeyAuthContext): Promise<void> {
    const { algo, data } = context.key;
    const key = data.toString("base64");
    const parsed = ssh2.utils.parseKey(`${algo} ${key}`);
    if (parsed instanceof Error) return context.reject(["publickey"], false);
    // An offer: which keys are good is for their owners to know, so any is worth a signature.
    if (context.signature === undefined) return context.accept();
    const { blob, signature, hashAlgo } = context;
    const isProved = blob !== undefined && parsed.verify(blob, signature, hashAlgo) === true;
    const sandboxId = isProved ? await this.#authorize(context.username, key) : null;
    if (sandboxId === null) return context.reject(["publickey"], false);
    this.entrant = { sandboxId, how: "key", key };
    context.accept();
  }
}
