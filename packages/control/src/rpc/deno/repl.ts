import {
  replCall,
  thrown,
  ThrownError,
  type Exit,
  type Guest,
  type GuestProcess,
} from "@skerry/protocol";

import { CallFailure, throwing, tooMuch } from "../failures.ts";
import { Lane } from "../lane.ts";
import { ReplEnded, type ReplLink } from "./repl-link.ts";

/** How values are written: plain JSON, or text that `devalue` reads. */
export type ReplEncoding = "json" | "devalue";

/** Evaluations of one REPL that may wait for those before them. */
const waitingMax = 256;
/** How long a REPL that was closed may take to end itself. */
const graceMs = 2_000;

/** A REPL of a client: its process, and the link over which it is asked. */
export class DenoRepl {
  readonly child: GuestProcess;
  readonly #guest: Guest;
  readonly #link: ReplLink;
  readonly #lane = new Lane();
  #waiting = 0;

  constructor(guest: Guest, child: GuestProcess, link: ReplLink) {
    this.#guest = guest;
    this.child = child;
    this.#link = link;
  }

  /**
   * Evaluates code; what it comes to is the value of its last statement.
   *
   * @throws {CallFailure} what the code has thrown, as the client is to throw it.
   */
  async evaluate(code: string, encoding: ReplEncoding, signal: AbortSignal): Promise<unknown> {
    if (this.#waiting >= waitingMax) {
      throw tooMuch("TOO_MANY_CALLS", `More than ${waitingMax} evaluations wait for this REPL.`);
    }
    this.#waiting += 1;
    try {
      using _turn = await this.#lane.enter(signal);
      return await this.#evaluate(code, encoding);
    } catch (error) {
      throw error instanceof ReplEnded ? await this.#ended() : error;
    } finally {
      this.#waiting -= 1;
    }
  }

  /** Ends the process: it does so itself, unless it is busy with something that does not end. */
  close(): void {
    this.#link.close();
    const { pid, exit } = this.child;
    const timer = setTimeout(() => {
      this.#guest.call("kill", { pid, signal: "SIGKILL" }).catch(() => {}); // it has ended meanwhile
    }, graceMs);
    const ended = (): void => clearTimeout(timer);
    exit.then(ended, () => {}); // one that nobody is attached to is not known to have ended
  }

  async #evaluate(code: string, encoding: ReplEncoding): Promise<unknown> {
    const result = await this.#link.run(code, { output: false });
    if (result.type === "Error")
      throw new CallFailure({ kind: "thrown", error: parseError(result.error) });
    if (result.type === "RunFailure") throw await this.#failure();
    const asked = this.#link.run(replCall("answer", encoding), { output: true });
    // Asking has made the answer the last value; nobody waits until it is what it was.
    this.#link.run(replCall("restore"), { output: false }).catch(() => {});
    return valueOf(await asked, encoding);
  }

  async #failure(): Promise<CallFailure> {
    const told = await this.#link.run(replCall("failure"), { output: true });
    const text = told.type === "RunSuccess" ? (told.output ?? "") : "";
    return new CallFailure({ kind: "thrown", error: readThrown(text) });
  }

  async #ended(): Promise<CallFailure> {
    const how = await this.child.exit.catch(() => null);
    const message = `The REPL has ended${how === null ? "" : `: ${exitText(how)}`}`;
    return throwing("Error", message, "ERR_REPL_ENDED");
  }
}

function exitText({ code, signal, oom }: Exit): string {
  const memory = oom === null ? "" : " (process ran out of memory)";
  return (signal === null ? `exit code ${code}` : `killed by ${signal}`) + memory;
}

function valueOf(
  told: { type: string; output?: string | null | undefined },
  encoding: ReplEncoding,
): unknown {
  const text = told.type === "RunSuccess" ? told.output : undefined;
  // A program can break whatever it wants inside its REPL; then there is no value to tell.
  if (typeof text !== "string") throw throwing("Error", "The value cannot be told.", null);
  if (text.startsWith("!")) {
    throw new CallFailure({ kind: "thrown", error: readThrown(text.slice(1)) });
  }
  if (encoding === "devalue") return text;
  try {
    return JSON.parse(text);
  } catch {
    throw throwing("Error", "The value cannot be told.", null);
  }
}

function readThrown(text: string): ThrownError {
  try {
    return ThrownError.parse(JSON.parse(text));
  } catch {
    return thrown("Error", "The code threw something that cannot be told.", null);
  }
}

/** What Deno says of code that is no code: `SyntaxError: …`, and where. */
function parseError(text: string): ThrownError {
  const [, name = "Error", message = text] = /^(?:Uncaught )?(\w*Error): ([^]*)$/.exec(text) ?? [];
  return { ...thrown(name, message, null), stack: text };
}
