import { parseArgs } from "node:util";

import { UsageError } from "./failure.ts";

/** An option of a verb, and what `--help` says about it. */
export interface Option {
  readonly type: "string" | "boolean";
  readonly multiple?: boolean;
  readonly short?: string;
  /** What the value is called in the help. */
  readonly value?: string;
  readonly about: string;
}

export type Options = Readonly<Record<string, Option>>;

/** Options that every verb takes. */
export const globalOptions = {
  endpoint: {
    type: "string",
    value: "URL",
    about: "the server; default: SKERRY_ENDPOINT, else the one on this machine",
  },
  token: {
    type: "string",
    value: "TOKEN",
    about: "the access token; default: SKERRY_TOKEN, else the local server's",
  },
  json: { type: "boolean", short: "j", about: "print JSON" },
  quiet: { type: "boolean", short: "q", about: "print results and errors only" },
  "non-interactive": { type: "boolean", short: "y", about: "ask nothing, as it never does" },
  org: {
    type: "string",
    value: "ORG",
    about: "for scripts of deno: the token tells the organization",
  },
  config: { type: "string", value: "FILE", about: "for scripts of deno: no file is read" },
  help: { type: "boolean", short: "h", about: "print this" },
} as const satisfies Options;

/** What a command line says. */
export class Arguments {
  readonly positionals: readonly string[];
  /** The words of a command to run, when the verb takes one. */
  readonly command: readonly string[];
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(
    values: Readonly<Record<string, unknown>>,
    positionals: readonly string[],
    command: readonly string[],
  ) {
    this.#values = values;
    this.positionals = positionals;
    this.command = command;
  }

  has(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value : undefined;
  }

  texts(name: string): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map(String) : [];
  }

  /** Pairs such as `--label a=b`. */
  pairs(name: string): Record<string, string> {
    return Object.fromEntries(this.texts(name).map((text) => pair(name, text)));
  }
}

/**
 * Reads the arguments of a verb.
 *
 * @param command Where a command to run begins: after how many words that are no options.
 * @throws {UsageError} when an argument is unknown, or a value is missing.
 */
export function readArguments(
  args: readonly string[],
  options: Options,
  command?: (firstWord: string | undefined) => number,
): Arguments {
  const all = { ...options, ...globalOptions };
  const [own, rest] = command === undefined ? [args, []] : splitAtCommand(args, all, command);
  try {
    const { values, positionals } = parseArgs({
      args: [...own],
      options: all,
      allowPositionals: true,
    });
    return new Arguments(values, positionals, rest);
  } catch (error) {
    if (!isParseError(error)) throw error;
    throw new UsageError(sentence(error.message), { cause: error });
  }
}

/**
 * The verb of a command line and its arguments: options of every verb may also stand before it.
 * No verb when there is only what is asked of the program itself.
 */
export function splitVerb(
  args: readonly string[],
): readonly [verb: string | undefined, rest: readonly string[]] {
  const { tokens } = parseArgs({
    args: [...args],
    options: globalOptions,
    strict: false,
    tokens: true,
  });
  const verb = tokens.find(({ kind }) => kind !== "option");
  if (verb?.kind !== "positional") return [undefined, args];
  return [verb.value, args.toSpliced(verb.index, 1)];
}

/** What comes before a command is for us, what comes after its first word is for it. */
function splitAtCommand(
  args: readonly string[],
  options: Options,
  wordsBefore: (firstWord: string | undefined) => number,
): readonly [own: readonly string[], command: readonly string[]] {
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
  const first = tokens.find(({ kind }) => kind !== "option");
  const count = wordsBefore(first?.kind === "positional" ? first.value : undefined);
  let words = 0;
  for (const token of tokens) {
    if (token.kind === "option-terminator") {
      return [args.slice(0, token.index), args.slice(token.index + 1)];
    }
    if (token.kind === "positional" && ++words > count) {
      return [args.slice(0, token.index), args.slice(token.index)];
    }
  }
  return [args, []];
}

function pair(name: string, text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1)
    throw new UsageError(`--${name} takes KEY=VALUE, and this is ${JSON.stringify(text)}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function isParseError(error: unknown): error is Error {
  return (
    error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS")
  );
}

/** The part of Node's message that is about the argument; the rest is about calling Node. */
function sentence(message: string): string {
  return message.split(/[.\n]/)[0] ?? message;
}
