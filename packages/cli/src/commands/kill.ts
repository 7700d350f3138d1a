import { UsageError, report } from "../failure.ts";
import { clientOf } from "../server-options.ts";
import type { Verb } from "../verb.ts";

/** Ends sandboxes. */
export const kill: Verb = {
  name: "kill",
  aliases: ["remove", "rm"],
  usage: "[ID]…",
  about: "end sandboxes at once",
  options: {},
  async run(args, context) {
    const { config, output } = context;
    const fallback = config.sandboxId === undefined ? [] : [config.sandboxId];
    const ids = args.positionals.length > 0 ? args.positionals : fallback;
    if (ids.length === 0) {
      throw new UsageError("a sandbox ID is needed, or SANDBOX_ID in the environment");
    }
    const client = await clientOf(args, context);
    const killed: string[] = [];
    let code = 0;
    for (const id of ids) {
      try {
        await client.sandboxes.kill(id);
        killed.push(id);
        if (!args.has("json")) output.line(id);
      } catch (error) {
        code = report(error, output); // the others are ended all the same
      }
    }
    if (args.has("json")) output.json({ killed });
    return code;
  },
};
