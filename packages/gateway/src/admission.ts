import { limits } from "@skerry/protocol";

import type { Entry } from "./control-client.ts";
import { Failures } from "./failures.ts";
import { Places } from "./places.ts";

/** How many may come, from where, and to what: what all connections of a gateway share. */
export class Admission {
  readonly failures = new Failures();
  readonly #pending = new Places(limits.sshPendingPerAddressMax);
  readonly #ofSandbox = new Places(limits.sshConnectionsPerSandboxMax);
  readonly #ofUser = new Places(limits.sshConnectionsPerUserMax);

  /** A place for a connection that has not logged in. */
  knock(address: string): Disposable | null {
    return this.#pending.take(address);
  }

  /** A place for one that has. */
  enter({ sandboxId, user }: Entry): Disposable | null {
    const inSandbox = this.#ofSandbox.take(sandboxId);
    if (inSandbox === null) return null;
    const ofUser = user === null ? noPlace : this.#ofUser.take(user);
    if (ofUser === null) {
      inSandbox[Symbol.dispose]();
      return null;
    }
    return {
      [Symbol.dispose]: () => {
        inSandbox[Symbol.dispose]();
        ofUser[Symbol.dispose]();
      },
    };
  }
}

const noPlace: Disposable = { [Symbol.dispose]: () => {} };
