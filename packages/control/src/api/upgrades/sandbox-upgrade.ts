import type { IncomingMessage } from "node:http";

import { closeCode, headers, SandboxError } from "@skerry/protocol";

import { Connection } from "../../rpc/connection.ts";
import { grantEditor } from "../../rpc/editor/grant.ts";
import type { Dialect, ExposeHttp, PrepareEditor } from "../../rpc/handlers/handler.ts";
import type { Sandbox } from "../../sandboxes/sandbox.ts";
import type { Visitor } from "../../ssh/tickets.ts";
import { recordVisit } from "../../ssh/visit.ts";
import { bearerOf } from "../authorize.ts";
import type { ServerContext } from "../context.ts";
import { readCreateConfig } from "../create-config.ts";
import { ingressOf } from "../expose-routes.ts";
import { readId } from "../read-id.ts";
import { admit, type Access } from "./access.ts";
import type { Passage } from "./passage.ts";

/** Makes a sandbox. @param gone Aborts when the client leaves before it is there. */
export async function toNewSandbox(
  message: IncomingMessage,
  server: ServerContext,
  gone: AbortSignal,
): Promise<Passage> {
  const { context, access } = await admit(message.headers.authorization, server);
  const { sandboxes, clock, lifetimeMaxMs, regions } = context;
  const header = single(message, headers.config);
  const hints = { host: message.headers.host, region: single(message, headers.region) };
  const rules = { nowMs: clock.now(), lifetimeMaxMs, regions };
  const wish = readCreateConfig(header, hints, rules);
  // Before anything is made.
  if (wish.port !== null) ingressOf(server);
  if (wish.ssh) server.ssh.needsGateway();
  const sandbox = await sandboxes.create(wish, gone);
  const abandon = (): void => sandbox.request({ kind: "kill" }); // nobody knows it
  try {
    const url = wish.port === null ? undefined : await expose(sandbox, wish.port, server);
    return { ...passageTo(sandbox, server, { access, isOwner: true }), url, abandon };
  } catch (error) {
    abandon(); // it is not what was asked for
    throw error;
  }
}

/** Leads to a sandbox that runs: who has a token, or the ticket of somebody who came by SSH. */
export async function toSandbox(
  message: IncomingMessage,
  server: ServerContext,
  id: string,
): Promise<Passage> {
  const { authorization } = message.headers;
  const visitor = server.ssh.redeem(bearerOf(authorization) ?? "") ?? undefined;
  if (visitor === undefined) {
    const { context, access } = await admit(authorization, server);
    const sandbox = await context.sandboxes.enter(readId(id));
    return passageTo(sandbox, server, { access, isOwner: false });
  }
  if (id !== visitor.sandboxId) throw new SandboxError("SANDBOX_NOT_FOUND");
  const sandbox = await server.sandboxes.enter(visitor.sandboxId);
  return passageTo(sandbox, server, { access: visitor, visitor, isOwner: false });
}

interface Entry {
  readonly access: Access;
  readonly visitor?: Visitor | undefined;
  /** Whether this socket created the sandbox. */
  readonly isOwner: boolean;
}

function passageTo(
  sandbox: Sandbox,
  server: ServerContext,
  { access, visitor, isOwner }: Entry,
): Passage {
  const { clock, log } = server;
  const expose: ExposeHttp = (domain, to) => ingressOf(server).bind(sandbox, domain, to);
  const prepareEditor: PrepareEditor = async (env, signal) => {
    ingressOf(server);
    await server.host.ensureEditor(signal);
    const owner = { sandboxId: sandbox.id, userId: access.userId };
    return await grantEditor(owner, env, server.tokens);
  };
  return {
    ...{ sandbox, access },
    open(client, { message, traceId, received }) {
      const record = visitor && recordVisit(visitor, { sandbox, client, clock });
      const connection = new Connection(client, {
        ...{ sandbox, clock, log: log.child({ sandboxId: sandbox.id, traceId }), traceId, isOwner },
        ...{ received, dialect: dialectOf(message), expose, prepareEditor, record },
      });
      sandbox.attach(connection);
      return (reason) => connection.end(closeCode.revoked, reason);
    },
  };
}

async function expose(sandbox: Sandbox, port: number, server: ServerContext): Promise<string> {
  const ingress = ingressOf(server);
  const { domain, url } = await ingress.expose(sandbox, { isPrivate: false, expiresInMs: null });
  await ingress.bind(sandbox, domain, { kind: "port", port });
  return url;
}

/** The Python client's WebSocket library names itself; no other client needs anything special. */
function dialectOf(message: IncomingMessage): Dialect {
  const agent = message.headers["user-agent"] ?? "";
  return agent.includes("websockets/") ? "python" : "javascript";
}

function single(message: IncomingMessage, name: string): string | undefined {
  const value = message.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
