import { Sandbox, type Duration } from "@skerry/sdk";

import { UsageError } from "../failure.ts";
import { portOf } from "../port.ts";
import { serverOptions } from "../server-options.ts";
import { sandboxAndRest } from "../shape.ts";
import type { Verb } from "../verb.ts";

/** Gives a server in a sandbox an address. */
export const expose: Verb = {
  name: "expose",
  usage: "[ID] PORT [--private [--expires DURATION]]",
  about: "give an HTTP server in a sandbox an address, and print it",
  options: {
    private: { type: "boolean", about: "let in only who has the printed address" },
    expires: {
      type: "string",
      value: "DURATION",
      about: "how long the address of a private name is valid; default 15m",
    },
  },
  async run(args, context) {
    const [id, [word, ...more]] = sandboxAndRest(args, context);
    if (word === undefined || more.length > 0) throw new UsageError("one port is needed");
    const isPrivate = args.has("private");
    const expires = args.text("expires");
    if (expires !== undefined && !isPrivate) throw new UsageError("--expires needs --private");
    const port = portOf(word);
    const sandbox = await Sandbox.connect(id, await serverOptions(args, context));
    await using _ = sandbox;
    // The SDK checks the duration, and says what is wrong with it.
    const target = { port, private: isPrivate, expires: expires as Duration | undefined };
    const url = await sandbox.exposeHttp(target);
    if (args.has("json")) context.output.json({ id, port, url });
    else context.output.line(url);
    return 0;
  },
};
