import type { Rpc } from "./rpc.ts";

/** The environment variables that every command of the sandbox starts with. */
export class SandboxEnvironment {
  readonly #rpc: Rpc;

  /** @internal */
  constructor(rpc: Rpc) {
    this.#rpc = rpc;
  }

  /** The value of a variable, or `undefined` when it is not set. */
  async get(name: string): Promise<string | undefined> {
    return this.#rpc.call("envGet", { key: name });
  }

  /** Sets a variable for the commands that are started from now on. */
  async set(name: string, value: string): Promise<void> {
    await this.#rpc.call("envSet", { key: name, value });
  }

  /** Unsets a variable. */
  async delete(name: string): Promise<void> {
    await this.#rpc.call("envDelete", { key: name });
  }

  /** All variables. */
  async toObject(): Promise<Record<string, string>> {
    return this.#rpc.call("envToObject", {});
  }
}
