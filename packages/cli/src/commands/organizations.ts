import type { Client } from "@skerry/sdk";

import type { Arguments } from "../arguments.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../failure.ts";
import { clientOf } from "../server-options.ts";
import { timeText } from "../shape.ts";
import type { Verb } from "../verb.ts";

/** Lists, makes and removes organizations. */
export const organizations: Verb = {
  name: "organizations",
  aliases: ["orgs"],
  usage: "[list | create NAME | delete NAME]",
  about: "whose sandboxes stay among themselves",
  options: {},
  async run(args, context) {
    const [what = "list", name, ...more] = args.positionals;
    if (more.length > 0) throw new UsageError("that is more than one");
    const client = await clientOf(args, context);
    switch (what) {
      case "list":
      case "ls":
        return await list(client, args, context);
      case "create":
      case "new":
        return await create(client, nameIn(name), args, context);
      case "delete":
      case "remove":
      case "rm":
        await client.organizations.remove(nameIn(name));
        return 0;
      default:
        throw new UsageError(`organizations does not ${JSON.stringify(what)}`);
    }
  },
};

async function list(client: Client, args: Arguments, { output }: Context): Promise<number> {
  const all = await client.organizations.list();
  if (args.has("json")) output.json(all);
  else {
    output.table(
      ["ID", "NAME", "CREATED"],
      all.map(({ id, name, createdAt }) => [id, name, timeText(createdAt)]),
    );
  }
  return 0;
}

async function create(
  client: Client,
  name: string,
  args: Arguments,
  { output }: Context,
): Promise<number> {
  const made = await client.organizations.create(name);
  if (args.has("json")) output.json(made);
  else output.line(made.id);
  return 0;
}

function nameIn(word: string | undefined): string {
  if (word === undefined) throw new UsageError("the name of an organization is needed");
  return word;
}
