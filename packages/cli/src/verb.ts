import type { Arguments, Options } from "./arguments.ts";
import type { Context } from "./context.ts";

/** Something that `skerry` can do. */
export interface Verb {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** What comes after the name, as the help shows it. */
  readonly usage: string;
  readonly about: string;
  readonly options: Options;
  /**
   * For a verb that runs a command: after how many words that are no options it begins, given the
   * first of them. What follows is the command's own.
   */
  readonly wordsBeforeCommand?: (firstWord: string | undefined) => number;
  /** Does it, and gives the exit code. */
  run(args: Arguments, context: Context): Promise<number>;
}

/** A verb of which another package reads the arguments. */
export interface HandedVerb {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly about: string;
  hand(args: readonly string[]): Promise<number>;
}
