import {
  Sandbox,
  type Lifetime,
  type MemorySize,
  type SandboxOptions,
  type SecretConfig,
} from "@skerry/sdk";

import type { Arguments, Options } from "../arguments.ts";
import type { Context } from "../context.ts";
import { CommandFailure, UsageError } from "../failure.ts";
import { portOf } from "../port.ts";
import { runCommand } from "../run-command.ts";
import { serverOptions } from "../server-options.ts";
import { runSsh } from "../ssh-client.ts";
import type { Verb } from "../verb.ts";

const machineOptions = {
  memory: { type: "string", value: "SIZE", about: 'its memory, as "2GiB"; default 1280 MiB' },
  label: { type: "string", multiple: true, value: "KEY=VALUE", about: "a label; at most 5" },
  env: { type: "string", multiple: true, value: "KEY=VALUE", about: "a variable for its commands" },
  region: { type: "string", value: "REGION", about: "three letters; default: the server's first" },
  "allow-net": {
    type: "string",
    multiple: true,
    value: "HOST",
    about: 'a host it may reach, as "example.com:443"; "none": nothing; default: all',
  },
  secret: {
    type: "string",
    multiple: true,
    value: "NAME@HOST,…",
    about: "a secret it may use towards these hosts and never sees: this command's variable NAME",
  },
  root: { type: "string", value: "NAME", about: "the volume or snapshot to start from (later)" },
  volume: {
    type: "string",
    multiple: true,
    value: "NAME:PATH",
    about: "a volume, and where it is to be (later)",
  },
  ssh: { type: "boolean", about: "open a shell in it by SSH; a session sandbox ends with it" },
  "expose-http": {
    type: "string",
    multiple: true,
    value: "PORT",
    about: "give what serves there an address that everybody reaches",
  },
  copy: {
    type: "string",
    multiple: true,
    value: "PATH",
    about: "a file or directory of this machine to have in /app",
  },
  cwd: {
    type: "string",
    value: "DIR",
    about: "where the command runs; default: the home directory",
  },
} as const satisfies Options;

/** Creates a sandbox, and stays with it or leaves it. */
export const create: Verb = {
  name: "create",
  aliases: ["new"],
  usage: "[--timeout DURATION] [options] [COMMAND…]",
  about: "create a sandbox: for as long as this command runs, or for a time",
  options: {
    timeout: {
      type: "string",
      value: "DURATION",
      about: '"session", the default, or as "15m": prints its ID and goes',
    },
    lifetime: { type: "string", value: "DURATION", about: "the same as --timeout" },
    ...machineOptions,
  },
  wordsBeforeCommand: () => 0,
  async run(args, context) {
    const lifetime = lifetimeOf(args);
    const isSession = lifetime === undefined || lifetime === "session";
    const sandbox = await createSandbox(args, context, lifetime);
    await using _ = sandbox;
    if (args.command.length > 0) {
      if (!isSession) context.output.note(sandbox.id);
      return await commandIn(sandbox, args, context);
    }
    if (args.has("ssh")) return await runSsh(await sandbox.exposeSsh(), []);
    if (args.has("json")) context.output.json({ id: sandbox.id });
    else context.output.line(sandbox.id);
    return isSession ? await hold(sandbox, context) : 0;
  },
};

/** Runs one command in a sandbox of its own. */
export const run: Verb = {
  name: "run",
  usage: "[options] [--] COMMAND…",
  about: "run a command in a new sandbox, which ends with it",
  options: machineOptions,
  wordsBeforeCommand: () => 0,
  async run(args, context) {
    if (args.command.length === 0) throw new UsageError("a command to run is needed");
    await using sandbox = await createSandbox(args, context, "session");
    return await commandIn(sandbox, args, context);
  },
};

async function createSandbox(
  args: Arguments,
  context: Context,
  lifetime: string | undefined,
): Promise<Sandbox> {
  const ports = args.texts("expose-http").map(portOf);
  const memory = args.text("memory");
  const options: SandboxOptions = {
    ...(await serverOptions(args, context)),
    // The SDK checks both, and says what is wrong with them.
    lifetime: lifetime as Lifetime | undefined,
    memory: memory as MemorySize | undefined,
    labels: given(args.pairs("label")),
    env: given(args.pairs("env")),
    region: args.text("region"),
    allowNet: allowNetOf(args.texts("allow-net")),
    secrets: secretsOf(args.texts("secret"), context.config.variable),
    root: args.text("root"),
    volumes: given(Object.fromEntries(args.texts("volume").map(volumeOf))),
  };
  const sandbox = await Sandbox.create(options);
  try {
    for (const path of args.texts("copy")) await sandbox.fs.upload(path, "/app/");
    for (const port of ports) {
      context.output.note(`${await sandbox.exposeHttp({ port })} is port ${port}`);
    }
    return sandbox;
  } catch (error) {
    await sandbox.kill(); // it is not what was asked for
    throw error;
  }
}

async function commandIn(sandbox: Sandbox, args: Arguments, context: Context): Promise<number> {
  const options = { cwd: args.text("cwd"), json: args.has("json") };
  return runCommand(sandbox, args.command, options, context);
}

/** Keeps the sandbox until somebody ends it. */
async function hold(sandbox: Sandbox, context: Context): Promise<number> {
  context.output.note("Ctrl+C to stop the sandbox.");
  const asked = Promise.withResolvers<undefined>();
  const stop = context.onSignal(() => asked.resolve(undefined));
  try {
    const end = await Promise.race([sandbox.closed, asked.promise]);
    if (end === undefined) return 0;
    throw new CommandFailure(`the sandbox has ended: ${end.message}`);
  } finally {
    stop();
  }
}

function lifetimeOf(args: Arguments): string | undefined {
  const [timeout, lifetime] = [args.text("timeout"), args.text("lifetime")];
  if (timeout !== undefined && lifetime !== undefined && timeout !== lifetime) {
    throw new UsageError("--timeout and --lifetime say different things");
  }
  return timeout ?? lifetime;
}

function allowNetOf(hosts: readonly string[]): readonly string[] | undefined {
  if (hosts.length === 0) return undefined;
  return hosts.filter((host) => host !== "none");
}

/** `NAME@HOST,…`; the value is in the variable, so that no list of processes shows it. */
function secretsOf(
  texts: readonly string[],
  variable: (name: string) => string | undefined,
): Readonly<Record<string, SecretConfig>> | undefined {
  if (texts.length === 0) return undefined;
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf("@");
      if (at < 1) {
        throw new UsageError(`--secret takes NAME@HOST,…, and this is ${JSON.stringify(text)}`);
      }
      const name = text.slice(0, at);
      const value = variable(name);
      if (value === undefined) {
        throw new UsageError(`--secret ${name}: there is no variable ${name}, or it is empty`);
      }
      return [name, { hosts: text.slice(at + 1).split(","), value }];
    }),
  );
}

/** `NAME:PATH`, as the SDK has it: the name by the path. */
function volumeOf(text: string): [path: string, name: string] {
  const at = text.indexOf(":");
  if (at < 1) throw new UsageError(`--volume takes NAME:PATH, and this is ${JSON.stringify(text)}`);
  return [text.slice(at + 1), text.slice(0, at)];
}

function given(pairs: Record<string, string>): Record<string, string> | undefined {
  return Object.keys(pairs).length === 0 ? undefined : pairs;
}
