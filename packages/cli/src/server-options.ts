import { Client, environmentDefaults, type ServerOptions } from "@skerry/sdk";

import type { Arguments } from "./arguments.ts";
import type { Context } from "./context.ts";
import { findLocalServer, localEndpoint } from "./local-server.ts";

/**
 * Which server is meant: what the options say, then the environment, then the server of this
 * machine. The local token goes to the local server alone, and a token for another one never does.
 */
export async function serverOptions(
  args: Arguments,
  { config }: Context,
  defaults: ServerOptions = environmentDefaults(),
): Promise<ServerOptions> {
  const named = args.text("endpoint") ?? defaults.endpoint;
  if (named === undefined) {
    const { url, token } = await localEndpoint(config.home);
    return { endpoint: url, token: args.text("token") ?? token };
  }
  const token = args.text("token") ?? defaults.token;
  if (token !== undefined) return { endpoint: named, token };
  const local = await findLocalServer(config.home);
  const isLocal = local.kind === "running" && isSameOrigin(local.endpoint.url, named);
  return { endpoint: named, token: isLocal ? local.endpoint.token : undefined };
}

/** A client of the server that is meant. */
export async function clientOf(args: Arguments, context: Context): Promise<Client> {
  return new Client(await serverOptions(args, context));
}

function isSameOrigin(url: string, other: string): boolean {
  return URL.parse(url)?.origin === URL.parse(other)?.origin;
}
