import { Sandbox } from "@skerry/sdk";

import { UsageError } from "../failure.ts";
import { runCommand } from "../run-command.ts";
import { serverOptions } from "../server-options.ts";
import { isSandboxId, sandboxAndRest } from "../shape.ts";
import type { Verb } from "../verb.ts";

/** Runs a command in a sandbox that runs. */
export const exec: Verb = {
  name: "exec",
  usage: "[ID] [--cwd DIR] [--] COMMAND…",
  about: "run a command in a sandbox, with this input and output and its exit code",
  options: {
    cwd: { type: "string", value: "DIR", about: "where it runs; default: the home directory" },
    tty: { type: "boolean", about: "give it a terminal; default: when this is run in one" },
    "no-tty": { type: "boolean", about: "give it none" },
  },
  wordsBeforeCommand: (first) => (first !== undefined && isSandboxId(first) ? 1 : 0),
  async run(args, context) {
    const [id] = sandboxAndRest(args, context);
    if (args.command.length === 0) throw new UsageError("a command to run is needed");
    await using sandbox = await Sandbox.connect(id, await serverOptions(args, context));
    const tty = args.has("no-tty") ? false : args.has("tty") || undefined;
    const options = { cwd: args.text("cwd"), json: args.has("json"), tty };
    return await runCommand(sandbox, args.command, options, context);
  },
};
