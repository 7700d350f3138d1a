import { actions, names, show, tell } from "../actions.ts";
import { timeText } from "../shape.ts";
import type { Verb } from "../verb.ts";

const needs = "the name of a user";

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
  run: actions("users", [
    {
      names: names.list,
      async run(call) {
        const heads = ["ID", "NAME", "ROLE", "ORGANIZATION", "CREATED"];
        show(call, await call.client.users.list(), heads, (user) => [
          ...[user.id, user.name, user.role, user.organization.name, timeText(user.createdAt)],
        ]);
      },
    },
    {
      names: ["me"],
      async run(call) {
        const user = await call.client.users.me();
        tell(call, user, `${user.name} of ${user.organization.name} (${user.role})`);
      },
    },
    {
      ...{ names: names.create, needs },
      async run(call, name) {
        const { client, args } = call;
        const role = args.has("admin") ? "admin" : "member";
        const organization = args.text("organization");
        const user = await client.users.create(name, { organization, role });
        tell(call, user, user.id);
      },
    },
    {
      ...{ names: names.remove, needs },
      run: async ({ client }, name) => await client.users.remove(name),
    },
  ]),
};
