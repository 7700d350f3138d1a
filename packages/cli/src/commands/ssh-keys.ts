import { readFile } from "node:fs/promises";

import { actions, names, show, tell } from "../actions.ts";
import { CommandFailure } from "../failure.ts";
import { timeText } from "../shape.ts";
import type { Verb } from "../verb.ts";

/** Lists, uploads and removes the SSH keys of the user. */
export const sshKeys: Verb = {
  name: "ssh-keys",
  usage: "[list | add FILE [--name NAME] | delete ID]",
  about: "the public keys by which you enter sandboxes by SSH",
  options: {
    name: { type: "string", value: "NAME", about: "what a key is called; default: its comment" },
  },
  run: actions("ssh-keys", [
    {
      names: names.list,
      async run(call) {
        const heads = ["ID", "NAME", "TYPE", "FINGERPRINT", "CREATED"];
        show(call, await call.client.sshKeys.list(), heads, (key) => [
          ...[key.id, key.name, key.type, key.fingerprint, timeText(key.createdAt)],
        ]);
      },
    },
    {
      ...{ names: ["add"], needs: "a file with a public key" },
      async run(call, file) {
        const line = await textOf(file);
        const name = call.args.text("name") ?? line.trim().split(/\s+/).slice(2).join(" ");
        const key = await call.client.sshKeys.add(name === "" ? file : name, line);
        tell(call, key, key.id);
      },
    },
    {
      ...{ names: names.remove, needs: "the ID of a key" },
      run: async ({ client }, id) => await client.sshKeys.remove(id),
    },
  ]),
};

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(`the key cannot be read: ${why}`);
  }
}
