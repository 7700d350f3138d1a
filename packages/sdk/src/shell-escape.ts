import { InvalidOptionError } from "./errors.ts";

/** What makes one argument: text, and what prints as text. */
type PlainArgument = string | number | bigint | boolean | null | undefined;

/**
 * One word of a shell command that stands for exactly `text`, whatever is in it. `null` and
 * `undefined` are the empty word.
 *
 * @throws {InvalidOptionError} when the text contains NUL, which no argument can carry.
 */
export function escapeShellArg(value: PlainArgument): string {
  const text = String(value ?? "");
  if (text.includes("\0")) {
    throw new InvalidOptionError("A shell argument cannot contain a NUL character.");
  }
  // Nothing in this set has a meaning to a shell, wherever it stands.
  return /^[A-Za-z0-9_/.:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * The text of a shell command from a template: what is written stays, what is inserted becomes
 * one argument, and a list becomes as many arguments as it has items.
 *
 * @throws {InvalidOptionError} when an object is inserted, since it has no meaning as an argument.
 */
export function shellCommand(template: TemplateStringsArray, values: readonly unknown[]): string {
  return values.reduce<string>(
    (command, value, index) => command + insertion(value) + piece(template, index + 1),
    piece(template, 0),
  );
}

/** A piece as it is meant; where it contains an escape that JavaScript does not know, as it is written. */
function piece(template: TemplateStringsArray, index: number): string {
  return template[index] ?? template.raw[index] ?? "";
}

function insertion(value: unknown): string {
  if (Array.isArray(value)) return value.map(insertion).join(" ");
  if (isPlain(value)) return escapeShellArg(value);
  throw new InvalidOptionError("Cannot use objects as shell arguments.", {
    remedy: "Insert text, numbers, or arrays of them.",
  });
}

function isPlain(value: unknown): value is PlainArgument {
  return value === null || !["object", "function", "symbol"].includes(typeof value);
}
