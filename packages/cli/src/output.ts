import { plainJson, plainLine, plainText } from "./sanitize.ts";
import { tableLines } from "./table.ts";

export type Colour = "red" | "yellow" | "green" | "bold" | "dim";

const codes: Readonly<Record<Colour, number>> = { red: 31, yellow: 33, green: 32, bold: 1, dim: 2 };

/** Where text goes, and how. */
export interface OutputOptions {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Whether colours are shown. */
  readonly colours: boolean;
}

/** All that the command line itself says. What a sandbox says goes past it, byte for byte. */
export class Output {
  /** Whether notes are left out. */
  isQuiet = false;
  readonly #options: OutputOptions;

  constructor(options: OutputOptions) {
    this.#options = options;
  }

  /** One line of what was asked for. */
  line(text: string): void {
    this.#options.stdout(`${plainText(text)}\n`);
  }

  table(heads: readonly string[], rows: readonly (readonly string[])[]): void {
    const [head = "", ...rest] = tableLines(heads, rows);
    this.#options.stdout(`${this.paint("bold", head)}\n`);
    for (const text of rest) this.#options.stdout(`${text}\n`);
  }

  json(value: unknown): void {
    this.#options.stdout(`${plainJson(value)}\n`);
  }

  /** One line with a word in front that tells at a glance. */
  marked(colour: Colour, mark: string, text: string): void {
    this.#options.stdout(`${this.paint(colour, mark)} ${plainLine(text)}\n`);
  }

  /** A word to whoever watches, which is no result. */
  note(text: string): void {
    if (!this.isQuiet) this.#options.stderr(`${plainText(text)}\n`);
  }

  /** What went wrong, in one line, and what to do about it in another. */
  error(message: string, remedy?: string): void {
    this.#options.stderr(`${this.paint("red", "error:")} ${plainLine(message)}\n`);
    if (remedy !== undefined) this.#options.stderr(`${plainLine(remedy)}\n`);
  }

  paint(colour: Colour, text: string): string {
    return this.#options.colours ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text;
  }
}
