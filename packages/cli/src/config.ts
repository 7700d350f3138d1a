import { homedir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";

/** What the environment tells the command line. */
export interface Config {
  /** Where a server on this machine keeps its state. */
  readonly home: string;
  /** The sandbox that commands are for when they name none. */
  readonly sandboxId: string | undefined;
  /** What the terminal is, for programs that draw on it. */
  readonly term: string | undefined;
  /** Whether colours are unwanted, see no-color.org. */
  readonly noColor: boolean;
  /** The directories that programs are looked for in. */
  readonly path: readonly string[];
  /** The variable of a name, for what the command line takes from there. */
  readonly variable: (name: string) => string | undefined;
}

type Variables = Readonly<Record<string, string | undefined>>;

/** Reads the environment. */
export function readConfig(
  variables: Variables = process.env,
  isRoot: boolean = process.geteuid?.() === 0,
): Config {
  const text = (name: string): string | undefined => variables[name] || undefined;
  const ordinary = isRoot ? "/var/lib/skerry" : join(homedir(), ".local/share/skerry");
  return Object.freeze({
    home: resolve(text("SKERRY_HOME") ?? ordinary),
    sandboxId: text("SANDBOX_ID"),
    term: text("TERM"),
    noColor: text("NO_COLOR") !== undefined,
    variable: text,
    path: (text("PATH") ?? "").split(":").filter((directory) => directory !== ""),
  });
}
