import type { Duration } from "@skerry/sdk";

import { actions, names, show, tell } from "../actions.ts";
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
  run: actions("tokens", [
    {
      names: names.list,
      async run(call) {
        const all = await call.client.tokens.list(call.args.text("user"));
        const heads = ["ID", "NAME", "GOOD FOR", "CREATED", "EXPIRES", "LAST USED"];
        show(call, all, heads, ({ id, name, sandbox, scope, ...times }) => [
          ...[id, name, sandbox ?? (scope === "user" ? "everything" : scope)],
          ...[times.createdAt, times.expiresAt, times.lastUsedAt].map(whenText),
        ]);
      },
    },
    {
      ...{ names: names.create, needs: "a name for the token" },
      async run(call, name) {
        const { client, args } = call;
        const made = await client.tokens.create(name, {
          ...{ sandbox: args.text("for"), user: args.text("user"), gateway: args.has("gateway") },
          expiresIn: args.text("expires") as Duration | undefined, // read by the client, which says what is wrong
        });
        tell(call, made, made.token);
      },
    },
    {
      ...{ names: ["revoke", ...names.remove], needs: "the ID of a token" },
      run: async ({ client }, id) => await client.tokens.revoke(id),
    },
  ]),
};

function whenText(time: Date | null): string {
  return time === null ? "never" : timeText(time);
}
