import { Sandbox } from "@skerry/sdk";

import { UsageError } from "../failure.ts";
import { serverOptions } from "../server-options.ts";
import { sandboxAndRest } from "../shape.ts";
import type { Verb } from "../verb.ts";

/** Starts VS Code in a sandbox. It goes on when this program has ended, as long as the sandbox does. */
export const code: Verb = {
  name: "code",
  usage: "[ID] [FOLDER]",
  about: "start VS Code in a sandbox, and print an address that opens it once",
  options: {},
  async run(args, context) {
    const [id, [folder, ...more]] = sandboxAndRest(args, context);
    if (more.length > 0) throw new UsageError("one folder is enough");
    const sandbox = await Sandbox.connect(id, await serverOptions(args, context));
    await using _ = sandbox;
    const { url } = await sandbox.exposeVscode(folder);
    if (args.has("json")) context.output.json({ id, url });
    else context.output.line(url);
    return 0;
  },
};
