import { readFile } from "node:fs/promises";

import type { Client } from "@skerry/sdk";

import type { Arguments } from "../arguments.ts";
import type { Context } from "../context.ts";
import { CommandFailure, UsageError } from "../failure.ts";
import { clientOf } from "../server-options.ts";
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
  async run(args, context) {
    const [what = "list", word, ...more] = args.positionals;
    if (more.length > 0) throw new UsageError("that is more than one");
    const client = await clientOf(args, context);
    switch (what) {
      case "list":
      case "ls":
        return await list(client, args, context);
      case "add":
        if (word === undefined) throw new UsageError("a file with a public key is needed");
        return await add(client, word, args, context);
      case "delete":
      case "remove":
      case "rm":
        if (word === undefined) throw new UsageError("the ID of a key is needed");
        await client.sshKeys.remove(word);
        return 0;
      default:
        throw new UsageError(`ssh-keys does not ${JSON.stringify(what)}`);
    }
  },
};

async function list(client: Client, args: Arguments, { output }: Context): Promise<number> {
  const keys = await client.sshKeys.list();
  if (args.has("json")) output.json(keys);
  else {
    output.table(
      ["ID", "NAME", "TYPE", "FINGERPRINT", "CREATED"],
      keys.map(({ id, name, type, fingerprint, createdAt }) => [
        ...[id, name, type, fingerprint, timeText(createdAt)],
      ]),
    );
  }
  return 0;
}

async function add(
  client: Client,
  file: string,
  args: Arguments,
  { output }: Context,
): Promise<number> {
  const line = await textOf(file);
  const name = args.text("name") ?? line.trim().split(/\s+/).slice(2).join(" ");
  const key = await client.sshKeys.add(name === "" ? file : name, line);
  if (args.has("json")) output.json(key);
  else output.line(key.id);
  return 0;
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(`the key cannot be read: ${why}`);
  }
}
