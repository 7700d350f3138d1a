import type { Client } from "@skerry/sdk";

import type { Arguments } from "../arguments.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../failure.ts";
import { clientOf } from "../server-options.ts";
import { timeText } from "../shape.ts";
import type { Verb } from "../verb.ts";

/** Lists, makes and removes users. */
export const users: Verb = {
  name: "users",
  usage: "[list | me | create NAME [--organization NAME] [--admin] | delete NAME]",
  about: "who may use the server",
  options: {
    organization: {
      type: "string",
      value: "NAME",
      about: "whose sandboxes the user shares; default: your own organization's",
    },
    admin: { type: "boolean", about: "who may manage users and organizations" },
  },
  async run(args, context) {
    const [what = "list", name, ...more] = args.positionals;
    if (more.length > 0) throw new UsageError("that is more than one");
    const client = await clientOf(args, context);
    switch (what) {
      case "list":
      case "ls":
        return await list(client, args, context);
      case "me":
        return await me(client, args, context);
      case "create":
      case "new":
        return await create(client, nameIn(name), args, context);
      case "delete":
      case "remove":
      case "rm":
        await client.users.remove(nameIn(name));
        return 0;
      default:
        throw new UsageError(`users does not ${JSON.stringify(what)}`);
    }
  },
};

async function list(client: Client, args: Arguments, { output }: Context): Promise<number> {
  const all = await client.users.list();
  if (args.has("json")) output.json(all);
  else {
    output.table(
      ["ID", "NAME", "ROLE", "ORGANIZATION", "CREATED"],
      all.map(({ id, name, role, organization, createdAt }) => [
        ...[id, name, role, organization.name, timeText(createdAt)],
      ]),
    );
  }
  return 0;
}

async function me(client: Client, args: Arguments, { output }: Context): Promise<number> {
  const user = await client.users.me();
  if (args.has("json")) output.json(user);
  else output.line(`${user.name} of ${user.organization.name} (${user.role})`);
  return 0;
}

async function create(
  client: Client,
  name: string,
  args: Arguments,
  { output }: Context,
): Promise<number> {
  const role = args.has("admin") ? "admin" : "member";
  const user = await client.users.create(name, { organization: args.text("organization"), role });
  if (args.has("json")) output.json(user);
  else output.line(user.id);
  return 0;
}

function nameIn(word: string | undefined): string {
  if (word === undefined) throw new UsageError("the name of a user is needed");
  return word;
}
