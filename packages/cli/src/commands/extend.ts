import type { Duration } from "@skerry/sdk";

import { UsageError } from "../failure.ts";
import { clientOf } from "../server-options.ts";
import { sandboxAndRest } from "../shape.ts";
import type { Verb } from "../verb.ts";

/** Lets a sandbox live longer. */
export const extend: Verb = {
  name: "extend",
  usage: "[ID] DURATION",
  about: "let a sandbox live for a time from now on, and print when it will stop",
  options: {},
  async run(args, context) {
    const [id, rest] = sandboxAndRest(args, context);
    const [duration, ...more] = rest;
    if (duration === undefined || more.length > 0) {
      throw new UsageError('one duration is needed, as "10m"');
    }
    const client = await clientOf(args, context);
    // The SDK checks it, and says what is wrong with it.
    const stopAt = await client.sandboxes.extendTimeout(id, duration as Duration);
    if (args.has("json")) context.output.json({ id, stopAt });
    else context.output.line(stopAt.toISOString());
    return 0;
  },
};
