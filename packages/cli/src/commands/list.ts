import type { SandboxMetadata } from "@skerry/sdk";

import { clientOf } from "../server-options.ts";
import { spanText, timeText } from "../shape.ts";
import type { Verb } from "../verb.ts";

/** Lists sandboxes. */
export const list: Verb = {
  name: "list",
  aliases: ["ls"],
  usage: "[--label KEY=VALUE]…",
  about: "list the sandboxes, also those that have ended",
  options: {
    label: {
      type: "string",
      multiple: true,
      value: "KEY=VALUE",
      about: "only those with this label",
    },
  },
  async run(args, context) {
    const client = await clientOf(args, context);
    const sandboxes = await client.sandboxes.list({ labels: args.pairs("label") });
    if (args.has("json")) context.output.json(sandboxes);
    else {
      const heads = ["ID", "CREATED", "REGION", "STATUS", "UPTIME", "LABELS"];
      context.output.table(
        heads,
        sandboxes.map((sandbox) => row(sandbox, context.now())),
      );
    }
    return 0;
  },
};

function row(sandbox: SandboxMetadata, nowMs: number): string[] {
  const { id, createdAt, stoppedAt, region, status, labels } = sandbox;
  return [
    id,
    timeText(createdAt),
    region,
    status,
    spanText((stoppedAt?.getTime() ?? nowMs) - createdAt.getTime()),
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(" "),
  ];
}
