import { actions, names, show, tell } from "../actions.ts";
import { timeText } from "../shape.ts";
import type { Verb } from "../verb.ts";

const needs = "the name of an organization";

/** Lists, makes and removes organizations. */
export const organizations: Verb = {
  name: "organizations",
  aliases: ["orgs"],
  usage: "[list | create NAME | delete NAME]",
  about: "whose sandboxes stay among themselves",
  options: {},
  run: actions("organizations", [
    {
      names: names.list,
      async run(call) {
        const all = await call.client.organizations.list();
        show(call, all, ["ID", "NAME", "CREATED"], ({ id, name, createdAt }) => [
          ...[id, name, timeText(createdAt)],
        ]);
      },
    },
    {
      ...{ names: names.create, needs },
      async run(call, name) {
        const made = await call.client.organizations.create(name);
        tell(call, made, made.id);
      },
    },
    {
      ...{ names: names.remove, needs },
      run: async ({ client }, name) => await client.organizations.remove(name),
    },
  ]),
};
