import { globalOptions, type Option, type Options } from "./arguments.ts";
import type { HandedVerb, Verb } from "./verb.ts";

/** What `skerry --help` prints. */
export function overview(verbs: readonly (Verb | HandedVerb)[], version: string): string {
  const width = Math.max(...verbs.map(({ name }) => name.length));
  return [
    `skerry ${version}: microVM sandboxes on your own machine`,
    "",
    "Usage: skerry VERB [options]",
    "",
    "Verbs:",
    ...verbs.map(({ name, about }) => `  ${name.padEnd(width)}  ${about}`),
    "",
    "Options of every verb:",
    ...optionLines(globalOptions),
  ].join("\n");
}

/** What `skerry VERB --help` prints. */
export function helpOf(verb: Verb): string {
  const options = optionLines(verb.options);
  return [
    `Usage: skerry ${verb.name} ${verb.usage}`.trimEnd(),
    ...(verb.aliases === undefined ? [] : [`Also: ${verb.aliases.join(", ")}`]),
    "",
    `${verb.about[0]?.toUpperCase()}${verb.about.slice(1)}.`,
    ...(options.length === 0 ? [] : ["", "Options:", ...options]),
    "",
    "Options of every verb:",
    ...optionLines(globalOptions),
  ].join("\n");
}

function optionLines(options: Options): string[] {
  const entries = Object.entries(options).map(
    ([name, option]) => [head(name, option), option] as const,
  );
  const width = Math.max(0, ...entries.map(([text]) => text.length));
  return entries.map(([text, { about }]) => `  ${text.padEnd(width)}  ${about}`);
}

function head(name: string, { short, value, multiple }: Option): string {
  const flag = short === undefined ? `--${name}` : `-${short}, --${name}`;
  return `${flag}${value === undefined ? "" : ` ${value}`}${multiple === true ? " …" : ""}`;
}
