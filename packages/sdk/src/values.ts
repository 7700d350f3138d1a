import { parse, stringify } from "devalue";

import { InvalidOptionError } from "./errors.ts";

/**
 * Values on their way out of a REPL and into it. `Map`, `Set`, `Date`, `bigint`, typed arrays,
 * `undefined`, cycles and so on are what they were; an error is an `Error` with its name, message,
 * stack and cause; a function or a symbol is its name in the way that the console shows it.
 */
export function decodeValue(text: unknown): unknown {
  return parse(String(text), {
    Error: (fields: ErrorFields) => errorOf(fields),
    Function: ({ name }: Named) => `[Function: ${name === "" ? "(anonymous)" : name}]`,
    Symbol: ({ name }: Named) => `Symbol(${name})`,
  });
}

/** @throws {InvalidOptionError} for functions, and for objects of classes. */
export function encodeArguments(args: readonly unknown[]): string {
  try {
    return stringify(args);
  } catch (cause) {
    throw new InvalidOptionError("An argument cannot be sent into a REPL.", {
      remedy:
        "Pass plain objects, arrays, Map, Set, Date, RegExp, bigint, typed arrays or primitive values.",
      cause,
    });
  }
}

interface Named {
  readonly name: string;
}

interface ErrorFields {
  readonly constructorName?: string;
  readonly name?: string;
  readonly message?: string;
  readonly stack?: string;
  readonly code?: string;
  readonly cause?: unknown;
  readonly errors?: unknown;
}

function errorOf({ constructorName, name, message, stack, ...rest }: ErrorFields): Error {
  const error = new Error(message);
  error.name = name ?? constructorName ?? "Error";
  if (stack !== undefined) error.stack = stack;
  return Object.assign(error, rest);
}
