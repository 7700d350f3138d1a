import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";

import { eventually } from "./eventually.ts";

const run = promisify(execFile);

/** A terminal of tmux in which a program runs: what a person would type is typed, and read off the screen. */
export class TmuxTerminal implements AsyncDisposable {
  readonly #socket: string;

  private constructor(socket: string) {
    this.#socket = socket;
  }

  /** @param directory Where its socket is while it is open. */
  static async open(
    directory: string,
    command: readonly string[],
    size: { readonly cols: number; readonly rows: number },
  ): Promise<TmuxTerminal> {
    // A server of its own: one that ends takes new clients for a moment, and drops them.
    const terminal = new TmuxTerminal(join(directory, randomUUID()));
    const { cols, rows } = size;
    await terminal.#tmux(
      ...["new-session", "-d", "-x", String(cols), "-y", String(rows)],
      command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" "),
    );
    await terminal.#tmux("set-option", "-g", "status", "off");
    await terminal.resize(size);
    return terminal;
  }

  /** Types text as it is. */
  async type(text: string): Promise<void> {
    await this.#tmux("send-keys", "-l", text);
  }

  /** Presses keys by tmux' names: `Enter`, `Escape`, `C-c`. */
  async press(...keys: readonly string[]): Promise<void> {
    await this.#tmux("send-keys", ...keys);
  }

  async resize({ cols, rows }: { readonly cols: number; readonly rows: number }): Promise<void> {
    await this.#tmux("resize-window", "-x", String(cols), "-y", String(rows));
  }

  /** What is on the screen, a line each. */
  async screen(): Promise<readonly string[]> {
    return (await this.#tmux("capture-pane", "-p")).trimEnd().split("\n");
  }

  /** Waits until the screen is as wanted, and returns it. */
  async sees(what: RegExp): Promise<string> {
    let shown = "";
    const isThere = async (): Promise<boolean> => {
      shown = (await this.screen()).join("\n");
      return what.test(shown);
    };
    try {
      await eventually(`the terminal shows ${String(what)}`, isThere, 60_000);
    } catch (cause) {
      throw new Error(`the terminal shows, and not ${String(what)}:\n${shown}`, { cause });
    }
    return shown;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux("kill-server").catch(() => {}); // it ends with its last program
  }

  async #tmux(...args: readonly string[]): Promise<string> {
    const { stdout } = await run("tmux", ["-S", this.#socket, "-f", "/dev/null", ...args]);
    return stdout;
  }
}
