import { type Client, type Duration } from "@skerry/sdk";

import type { Arguments } from "../arguments.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../failure.ts";
import { clientOf } from "../server-options.ts";
import { timeText } from "../shape.ts";
import type { Verb } from "../verb.ts";

/** Lists, makes and revokes access tokens. */
export const tokens: Verb = {
  name: "tokens",
  usage:
    "[list | create NAME [--for SANDBOX | --gateway] [--expires TIME] | revoke ID] [--user NAME]",
  about: "the access tokens of a user",
  options: {
    for: { type: "string", value: "SANDBOX", about: "good for this sandbox alone" },
    gateway: { type: "boolean", about: "good for an SSH gateway and nothing else; for admins" },
    expires: { type: "string", value: "TIME", about: "how long it is valid, as in 24h" },
    user: { type: "string", value: "NAME", about: "another user's; for admins" },
  },
  async run(args, context) {
    const [what = "list", word, ...more] = args.positionals;
    if (more.length > 0) throw new UsageError("that is more than one");
    const client = await clientOf(args, context);
    switch (what) {
      case "list":
      case "ls":
        return await list(client, args, context);
      case "create":
      case "new":
        if (word === undefined) throw new UsageError("a name for the token is needed");
        return await create(client, word, args, context);
      case "revoke":
      case "delete":
      case "remove":
      case "rm":
        if (word === undefined) throw new UsageError("the ID of a token is needed");
        await client.tokens.revoke(word);
        return 0;
      default:
        throw new UsageError(`tokens does not ${JSON.stringify(what)}`);
    }
  },
};

async function list(client: Client, args: Arguments, { output }: Context): Promise<number> {
  const all = await client.tokens.list(args.text("user"));
  if (args.has("json")) output.json(all);
  else {
    output.table(
      ["ID", "NAME", "GOOD FOR", "CREATED", "EXPIRES", "LAST USED"],
      all.map(({ id, name, sandbox, scope, createdAt, expiresAt, lastUsedAt }) => [
        ...[id, name, sandbox ?? (scope === "user" ? "everything" : scope), timeText(createdAt)],
        ...[whenText(expiresAt), whenText(lastUsedAt)],
      ]),
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
  const made = await client.tokens.create(name, {
    ...{ sandbox: args.text("for"), user: args.text("user"), gateway: args.has("gateway") },
    expiresIn: args.text("expires") as Duration | undefined, // read by the client, which says what is wrong
  });
  if (args.has("json")) output.json(made);
  else output.line(made.token);
  return 0;
}

function whenText(time: Date | null): string {
  return time === null ? "never" : timeText(time);
}
