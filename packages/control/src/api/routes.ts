import { paths, SandboxError } from "@skerry/protocol";

import type { Principal } from "../tokens/principal.ts";
import {
  createOrganization,
  createUser,
  describeMe,
  listOrganizations,
  listUsers,
  removeOrganization,
  removeUser,
} from "./account-routes.ts";
import type { ApiContext } from "./context.ts";
import { exposeHttp, exposeVscode, signUrl } from "./expose-routes.ts";
import { loggablePath } from "./http.ts";
import { listEvents, listSandboxes, readStatus } from "./reading.ts";
import {
  describeSandbox,
  extendSandbox,
  killSandbox,
  readNetwork,
  replaceNetwork,
} from "./sandbox-routes.ts";
import { listSecrets, putSecret, removeSecret } from "./secret-routes.ts";
import {
  addSshKey,
  announceSsh,
  authorizeSsh,
  describeWithSsh,
  exposeSsh,
  listSshKeys,
  removeSshKey,
} from "./ssh-routes.ts";
import { createToken, listTokens, revokeToken } from "./token-routes.ts";

/** Answers one request. `id` is the sandbox that the path names, `name` the part of it, if it names any. */
type Route = (request: Request, context: ApiContext, id: string, name: string) => Promise<Response>;

/**
 * What a request is about, and so which tokens are good for it: `"sandbox"` the one that the path names,
 * also by a token of its own; `"owner"` that one, by those who own it; `"account"` what users have for
 * themselves; `"server"` what is for admins; `"gateway"` what an SSH gateway asks, and nobody else may.
 */
type About = "sandbox" | "owner" | "account" | "server" | "gateway";

interface Entry {
  readonly about: About;
  readonly method: string;
  readonly path: RegExp;
  readonly route: Route;
}

const entry = (about: About, method: string, template: string, route: Route): Entry => ({
  ...{ about, method, route },
  path: new RegExp(`^${template.replaceAll(/\{\w+\}/g, "([^/]+)")}$`),
});

const routes: readonly Entry[] = [
  entry("account", "GET", paths.list, listSandboxes),
  entry("account", "GET", paths.listV3, listSandboxes),
  ...[paths.sandbox, paths.sandboxPlural].flatMap((path) => [
    entry("sandbox", "GET", path, describeSandbox),
    entry("owner", "PATCH", path, extendSandbox),
    entry("sandbox", "DELETE", path, killSandbox),
  ]),
  ...[paths.exposeHttp, paths.exposeHttpPlural].map((path) =>
    entry("sandbox", "POST", path, exposeHttp),
  ),
  ...[paths.exposeVscode, paths.exposeVscodePlural].map((path) =>
    entry("sandbox", "POST", path, exposeVscode),
  ),
  ...[paths.exposeSsh, paths.exposeSshPlural].map((path) =>
    entry("sandbox", "POST", path, exposeSsh),
  ),
  entry("sandbox", "POST", paths.signUrl, signUrl),
  entry("gateway", "POST", paths.authorizeSsh, authorizeSsh),
  entry("gateway", "PUT", paths.sshEndpoint, announceSsh),
  entry("account", "GET", paths.sshKeys, listSshKeys),
  entry("account", "POST", paths.sshKeys, addSshKey),
  entry("account", "DELETE", `${paths.sshKeys}/{id}`, removeSshKey),
  entry("account", "GET", paths.me, describeMe),
  entry("account", "GET", paths.tokens, listTokens),
  entry("account", "POST", paths.tokens, createToken),
  entry("account", "DELETE", `${paths.tokens}/{id}`, revokeToken),
  entry("server", "GET", paths.users, listUsers),
  entry("server", "POST", paths.users, createUser),
  entry("server", "DELETE", `${paths.users}/{id}`, removeUser),
  entry("server", "GET", paths.organizations, listOrganizations),
  entry("server", "POST", paths.organizations, createOrganization),
  entry("server", "DELETE", `${paths.organizations}/{id}`, removeOrganization),
  entry("sandbox", "GET", "/api/v1/sandboxes/{id}", describeWithSsh),
  entry("account", "GET", "/api/v1/status", readStatus),
  entry("sandbox", "GET", "/api/v1/sandboxes/{id}/events", listEvents),
  entry("sandbox", "GET", "/api/v1/sandboxes/{id}/network", readNetwork),
  entry("owner", "PUT", "/api/v1/sandboxes/{id}/network", replaceNetwork),
  entry("sandbox", "GET", "/api/v1/sandboxes/{id}/secrets", listSecrets),
  entry("owner", "PUT", "/api/v1/sandboxes/{id}/secrets/{name}", putSecret),
  entry("owner", "DELETE", "/api/v1/sandboxes/{id}/secrets/{name}", removeSecret),
];

/** What the official clients have and this server does not have yet. */
const later: readonly RegExp[] = [
  /^\/api\/v2\/(?:apps|layers|volumes|snapshots|revisions|timelines)(?:\/|$)/,
  /^\/api\/v2\/sandboxes\/[^/]+\/deploy$/,
];

const sockets: readonly RegExp[] = [
  /^\/api\/v1\/sandboxes\/[^/]+\/terminal$/,
  /^\/api\/v3\/sandboxes\/create$/,
  /^\/api\/v3\/sandbox(?:es)?\/[^/]+\/connect$/,
];

/** Answers an authorized request. @throws {SandboxError} what the answer then says. */
export async function answer(request: Request, context: ApiContext): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (sockets.some((path) => path.test(pathname))) {
    throw new SandboxError("INVALID_REQUEST", "this path is a WebSocket");
  }
  for (const { about, method, path, route } of routes) {
    const match = method === request.method ? path.exec(pathname) : null;
    if (match === null) continue;
    const [, id = "", name = ""] = match;
    checkReach(context.principal, about, id);
    return await route(request, context, id, name);
  }
  if (later.some((path) => path.test(pathname))) {
    throw new SandboxError("NOT_IMPLEMENTED", loggablePath(pathname));
  }
  throw new SandboxError("NOT_FOUND", `${request.method} ${loggablePath(pathname)}`);
}

/** @throws {SandboxError} `FORBIDDEN`; `SANDBOX_NOT_FOUND` for a sandbox that the token knows nothing of. */
function checkReach(principal: Principal, about: About, id: string): void {
  const isNamed = about === "sandbox" || about === "owner";
  if (principal.kind === "sandbox" && isNamed && id !== principal.sandboxId) {
    throw new SandboxError("SANDBOX_NOT_FOUND");
  }
  if (!isGoodFor(principal, about)) throw new SandboxError("FORBIDDEN");
}

function isGoodFor(principal: Principal, about: About): boolean {
  switch (principal.kind) {
    case "user":
      return about === "server" ? principal.user.role === "admin" : about !== "gateway";
    case "sandbox":
      return about === "sandbox";
    case "gateway":
      return about === "gateway";
  }
}
