import { replCall, thrown, ThrownError, type Exit, type GuestProcess } from "@skerry/protocol";

import { CallFailure, throwing, tooMuch } from "../failures.ts";
import { Lane } from "../lane.ts";
import { ReplEnded, type ReplLink } from "./repl-link.ts";

/** How values are written: plain JSON, or text that `devalue` reads. */
export type ReplEncoding = "json" | "devalue";

/** Evaluations of one REPL that may wait for those before them. */
const waitingMax = 256;

/** A REPL of a client: its process, and the link over which it is asked. */
export class DenoRepl {
  readonly child: GuestProcess;
  readonly #link: ReplLink;
  readonly #lane = new Lane();
  #waiting = 0;

  constructor(child: GuestProcess, link: ReplLink) {
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

  /** Hangs up; the process ends itself. */
  close(): void {
    this.#link.close();
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
