import type { Client } from "@skerry/sdk";

import type { Arguments } from "./arguments.ts";
import type { Context } from "./context.ts";
import { UsageError } from "./failure.ts";
import { clientOf } from "./server-options.ts";
import type { Verb } from "./verb.ts";

/** What an {@link Action} is run with. */
export interface Call {
  readonly client: Client;
  readonly args: Arguments;
  readonly context: Context;
}

/** One of the things that a verb does with what it manages, named by the word after the verb. */
export interface Action {
  /** Its name, and other words for it. */
  readonly names: readonly [string, ...string[]];
  /** What the word after it is, for whoever leaves it out; without this there is none. */
  readonly needs?: string;
  readonly run: (call: Call, word: string) => Promise<void>;
}

/** Other words for the actions that several verbs have. */
export const names = {
  list: ["list", "ls"],
  create: ["create", "new"],
  remove: ["delete", "remove", "rm"],
} as const;

/** Runs the action that is asked for; the first is what a verb does alone. */
export function actions(verb: string, all: readonly [Action, ...Action[]]): Verb["run"] {
  return async (args, context) => {
    const [what = all[0].names[0], word = "", ...more] = args.positionals;
    const action = all.find((each) => each.names.includes(what));
    if (action === undefined) throw new UsageError(`${verb} does not ${JSON.stringify(what)}`);
    if (more.length > 0) throw new UsageError("that is more than one");
    if (action.needs !== undefined && word === "") {
      throw new UsageError(`${action.needs} is needed`);
    }
    await action.run({ client: await clientOf(args, context), args, context }, word);
    return 0;
  };
}

/** Prints a list: a table for people, all of it for programs. */
export function show<T>(
  { args, context: { output } }: Call,
  all: readonly T[],
  heads: readonly string[],
  cells: (each: T) => readonly string[],
): void {
  if (args.has("json")) output.json(all);
  else
    output.table(
      [...heads],
      all.map(cells).map((row) => [...row]),
    );
}

/** Prints one thing: a line for people, all of it for programs. */
export function tell({ args, context: { output } }: Call, it: object, line: string): void {
  if (args.has("json")) output.json(it);
  else output.line(line);
}
