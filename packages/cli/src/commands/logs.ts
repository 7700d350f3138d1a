import { clientOf } from "../server-options.ts";
import { sandboxAndRest, timeText } from "../shape.ts";
import type { Verb } from "../verb.ts";

/** Shows what happened to a sandbox. */
export const logs: Verb = {
  name: "logs",
  usage: "[ID]",
  about: "show the event log of a sandbox, also of one that has ended",
  options: {},
  async run(args, context) {
    const [id] = sandboxAndRest(args, context);
    const client = await clientOf(args, context);
    const events = await client.sandboxes.events(id);
    if (args.has("json")) context.output.json(events);
    else {
      const rows = events.map(({ at, kind, detail }) => [timeText(at), kind, detailText(detail)]);
      context.output.table(["TIME", "EVENT", "DETAIL"], rows);
    }
    return 0;
  },
};

function detailText(detail: Readonly<Record<string, unknown>>): string {
  return Object.entries(detail)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
}
