import { readFileSync } from "node:fs";

import { readArguments, splitVerb } from "./arguments.ts";
import { code } from "./commands/code.ts";
import { completionOf } from "./commands/completion.ts";
import { copy } from "./commands/copy.ts";
import { create, run as runVerb } from "./commands/create.ts";
import { doctor } from "./commands/doctor.ts";
import { env } from "./commands/env.ts";
import { exec } from "./commands/exec.ts";
import { expose } from "./commands/expose.ts";
import { extend } from "./commands/extend.ts";
import { gateway, images, serve } from "./commands/handed.ts";
import { kill } from "./commands/kill.ts";
import { refuseLaterVerb } from "./commands/later.ts";
import { list } from "./commands/list.ts";
import { logs } from "./commands/logs.ts";
import { organizations } from "./commands/organizations.ts";
import { sshKeys } from "./commands/ssh-keys.ts";
import { ssh } from "./commands/ssh.ts";
import { tokens } from "./commands/tokens.ts";
import { users } from "./commands/users.ts";
import type { Context } from "./context.ts";
import { report, UsageError } from "./failure.ts";
import { helpOf, overview } from "./help.ts";
import type { HandedVerb, Verb } from "./verb.ts";

const verbs: readonly (Verb | HandedVerb)[] = [
  ...[serve, env, doctor],
  ...[create, runVerb, list, exec, copy, expose, code, ssh, sshKeys, logs, extend, kill],
  ...[tokens, users, organizations],
  ...[gateway, images, completionOf(() => verbs)],
];

/**
 * Does what a command line asks for.
 *
 * @param args What follows the name of the program.
 * @returns The exit code: a command's own where one is run, else 0, 1 for a failure, 2 for a
 * command line that makes no sense.
 */
export async function run(args: readonly string[], context: Context): Promise<number> {
  try {
    return await dispatch(args, context);
  } catch (error) {
    return report(error, context.output);
  }
}

async function dispatch(args: readonly string[], context: Context): Promise<number> {
  const [name, rest] = splitVerb(args);
  if (name === undefined && (rest.includes("--version") || rest.includes("-V"))) {
    context.output.line(version());
    return 0;
  }
  if (name === undefined || name === "help") {
    context.output.line(overview(verbs, version()));
    return name === "help" || rest.includes("--help") || rest.includes("-h") ? 0 : 2;
  }
  const verb = verbs.find((one) => one.name === name || one.aliases?.includes(name));
  if (verb === undefined) refuseLaterVerb(name);
  if (verb === undefined) throw new UsageError(`there is no verb ${JSON.stringify(name)}`);
  if ("hand" in verb) return verb.hand(rest);
  return runOwn(verb, rest, context);
}

async function runOwn(verb: Verb, args: readonly string[], context: Context): Promise<number> {
  const parsed = readArguments(args, verb.options, verb.wordsBeforeCommand);
  if (parsed.has("help")) {
    context.output.line(helpOf(verb));
    return 0;
  }
  context.output.isQuiet = parsed.has("quiet");
  return verb.run(parsed, context);
}

function version(): string {
  const manifest: unknown = JSON.parse(
    readFileSync(new URL("../package.json", import.meta.url), "utf8"),
  );
  return (manifest as { readonly version: string }).version; // npm sees to it
}
