import { randomBytes } from "node:crypto";

import {
  GuestError,
  letters,
  limits,
  SandboxError,
  type Guest,
  type GuestProcess,
  type SandboxId,
} from "@skerry/protocol";

import type { Clock } from "../clock.ts";
import type { Sandbox } from "../sandboxes/sandbox.ts";
import { Terminal } from "./terminal.ts";

/** The size of a terminal, in characters. */
export interface TerminalSize {
  readonly rows: number;
  readonly cols: number;
}

/** The terminals of all sandboxes. */
export class Terminals {
  readonly #clock: Clock;
  readonly #open = new Map<SandboxId, Map<string, Terminal>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Starts a shell. @throws {SandboxError} `TOO_MANY_REQUESTS`, `SANDBOX_GONE`. */
  async start(sandbox: Sandbox, size: TerminalSize): Promise<Terminal> {
    const open = this.#open.get(sandbox.id) ?? new Map<string, Terminal>();
    if (open.size >= limits.terminalsMax) {
      throw new SandboxError("TOO_MANY_REQUESTS", `${limits.terminalsMax} terminals`);
    }
    const { guest } = sandbox;
    const process = await startShell(guest, size);
    const id = letters(randomBytes(26), 26);
    const terminal = new Terminal({ id, guest, process, clock: this.#clock });
    this.#open.set(sandbox.id, open.set(id, terminal));
    sandbox.record("command-started", { command: "terminal", args: [] });
    void terminal.ended.then(() => {
      open.delete(id);
      if (open.size === 0) this.#open.delete(sandbox.id);
    });
    return terminal;
  }

  /** One that is open. @throws {SandboxError} `NOT_FOUND` */
  find(sandbox: Sandbox, id: string): Terminal {
    const terminal = this.#open.get(sandbox.id)?.get(id);
    if (terminal === undefined) throw new SandboxError("NOT_FOUND", "terminal");
    return terminal;
  }
}

async function startShell(guest: Guest, pty: TerminalSize): Promise<GuestProcess> {
  const options = { stdin: "piped", stdout: "piped", stderr: "null", pty } as const;
  try {
    return await guest.spawn({ command: "bash", args: ["-l"], ...options });
  } catch (error) {
    if (!(error instanceof GuestError) || error.errno !== "ENOENT") throw error;
    return await guest.spawn({ command: "sh", args: ["-l"], ...options });
  }
}
