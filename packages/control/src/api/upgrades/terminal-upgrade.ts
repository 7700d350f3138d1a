import type { IncomingMessage } from "node:http";

import { closeCode, SandboxError, terminalProtocols } from "@skerry/protocol";

import type { Terminals } from "../../terminal/terminals.ts";
import type { ServerContext } from "../context.ts";
import { urlOf } from "../http.ts";
import { readId } from "../read-id.ts";
import { admit } from "./access.ts";
import type { Passage } from "./passage.ts";

/** Starts a terminal, or finds the one that the query names. */
export async function toTerminal(
  message: IncomingMessage,
  server: ServerContext,
  { id, terminals }: { readonly id: string; readonly terminals: Terminals },
): Promise<Passage> {
  const { context, access } = await admit(tokenOf(message), server);
  const { searchParams } = urlOf(message);
  const sandbox = await context.sandboxes.enter(readId(id));
  const session = searchParams.get("session");
  const size = {
    rows: readSize(searchParams, "rows", 24),
    cols: readSize(searchParams, "cols", 80),
  };
  const terminal =
    session === null ? await terminals.start(sandbox, size) : terminals.find(sandbox, session);
  return {
    ...{ sandbox, access },
    open(client) {
      terminal.show(client);
      return (reason) => client.close(closeCode.revoked, reason);
    },
  };
}

function readSize(query: URLSearchParams, name: string, fallback: number): number {
  const given = query.get(name);
  if (given === null) return fallback;
  if (!/^[1-9]\d{0,3}$/.test(given))
    throw new SandboxError("INVALID_REQUEST", `${name}: 1 to 9999`);
  return Number(given);
}

/** The header, or the subprotocol in which browsers bring a token. */
function tokenOf({ headers: given }: IncomingMessage): string | undefined {
  if (given.authorization !== undefined) return given.authorization;
  const offered = (given["sec-websocket-protocol"] ?? "").split(",").map((each) => each.trim());
  const token = offered.find((each) => each.startsWith(terminalProtocols.token));
  return token === undefined ? undefined : `Bearer ${token.slice(terminalProtocols.token.length)}`;
}
