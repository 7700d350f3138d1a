import { throwing, type CallFailure } from "../failures.ts";
import type { DenoRepl } from "./repl.ts";

/** The REPLs of one connection. Unlike other processes they end with it: nobody else can ask them. */
export class Repls {
  readonly #open = new Map<number, DenoRepl>();
  #isClosed = false;

  add(repl: DenoRepl): void {
    const { pid } = repl.child;
    this.#open.set(pid, repl);
    const forget = (): void => {
      if (this.#open.get(pid) === repl) this.#open.delete(pid);
    };
    void repl.child.exit.then(forget, forget);
    if (this.#isClosed) this.closeAll(); // the client left while it started
  }

  /** @throws {CallFailure} when it is not one of this connection's, or has ended. */
  get(pid: number): DenoRepl {
    const repl = this.#open.get(pid);
    if (repl === undefined) throw noSuchRepl();
    return repl;
  }

  closeAll(): void {
    this.#isClosed = true;
    for (const repl of this.#open.values()) repl.close();
    this.#open.clear();
  }
}

/** The official client takes `ENOENT` for a REPL that has ended, which `close` does not mind. */
function noSuchRepl(): CallFailure {
  return throwing("TypeError", "The REPL has ended, or is not this connection's", "ENOENT");
}
