import { Sandbox } from "@skerry/sdk";

import { serverOptions } from "../server-options.ts";
import { isSandboxId, sandboxAndRest } from "../shape.ts";
import { runSsh } from "../ssh-client.ts";
import type { Verb } from "../verb.ts";

/** Opens a shell in a sandbox, or runs a command there, by this machine's SSH client. */
export const ssh: Verb = {
  name: "ssh",
  usage: "[ID] [COMMAND…]",
  about: "open a shell in a sandbox by SSH, or run a command",
  options: {},
  wordsBeforeCommand: (first) => (first !== undefined && isSandboxId(first) ? 1 : 0),
  async run(args, context) {
    const [id] = sandboxAndRest(args, context);
    const sandbox = await Sandbox.connect(id, await serverOptions(args, context));
    await using _ = sandbox;
    const access = await sandbox.exposeSsh();
    if (args.has("json")) {
      context.output.json({ id, ...access });
      return 0;
    }
    return await runSsh(access, args.command);
  },
};
