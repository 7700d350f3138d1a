import { paths, SandboxError } from "@skerry/protocol";

import type { ApiContext } from "./context.ts";
import { exposeHttp, signUrl } from "./expose-routes.ts";
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
  authorizeSsh,
  describeWithSsh,
  exposeSsh,
  listSshKeys,
  removeSshKey,
} from "./ssh-routes.ts";

/** Answers one request. `id` is the sandbox that the path names, `name` the part of it, if it names any. */
type Route = (request: Request, context: ApiContext, id: string, name: string) => Promise<Response>;

interface Entry {
  readonly method: string;
  readonly path: RegExp;
  readonly route: Route;
}

const entry = (method: string, template: string, route: Route): Entry => ({
  method,
  path: new RegExp(`^${template.replaceAll(/\{\w+\}/g, "([^/]+)")}$`),
  route,
});

const routes: readonly Entry[] = [
  entry("GET", paths.list, listSandboxes),
  entry("GET", paths.listV3, listSandboxes),
  ...[paths.sandbox, paths.sandboxPlural].flatMap((path) => [
    entry("GET", path, describeSandbox),
    entry("PATCH", path, extendSandbox),
    entry("DELETE", path, killSandbox),
  ]),
  ...[paths.exposeHttp, paths.exposeHttpPlural].map((path) => entry("POST", path, exposeHttp)),
  ...[paths.exposeSsh, paths.exposeSshPlural].map((path) => entry("POST", path, exposeSsh)),
  entry("POST", paths.signUrl, signUrl),
  entry("POST", paths.authorizeSsh, authorizeSsh),
  entry("GET", paths.sshKeys, listSshKeys),
  entry("POST", paths.sshKeys, addSshKey),
  entry("DELETE", `${paths.sshKeys}/{id}`, removeSshKey),
  entry("GET", "/api/v1/sandboxes/{id}", describeWithSsh),
  entry("GET", "/api/v1/status", readStatus),
  entry("GET", "/api/v1/sandboxes/{id}/events", listEvents),
  entry("GET", "/api/v1/sandboxes/{id}/network", readNetwork),
  entry("PUT", "/api/v1/sandboxes/{id}/network", replaceNetwork),
  entry("GET", "/api/v1/sandboxes/{id}/secrets", listSecrets),
  entry("PUT", "/api/v1/sandboxes/{id}/secrets/{name}", putSecret),
  entry("DELETE", "/api/v1/sandboxes/{id}/secrets/{name}", removeSecret),
];

/** What the official clients have and this server does not have yet. */
const later: readonly RegExp[] = [
  /^\/api\/v2\/(?:apps|layers|volumes|snapshots|revisions|timelines)(?:\/|$)/,
  /^\/api\/v2\/sandboxes\/[^/]+\/deploy$/,
  /^\/api\/v3\/sandbox(?:es)?\/[^/]+\/expose\/vscode$/,
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
  for (const { method, path, route } of routes) {
    const match = method === request.method ? path.exec(pathname) : null;
    if (match !== null) return await route(request, context, match[1] ?? "", match[2] ?? "");
  }
  if (later.some((path) => path.test(pathname))) {
    throw new SandboxError("NOT_IMPLEMENTED", loggablePath(pathname));
  }
  throw new SandboxError("NOT_FOUND", `${request.method} ${loggablePath(pathname)}`);
}
