import { SandboxError, SshAuthorizeRequest, SshEndpoint, SshKeyRequest } from "@skerry/protocol";

import { userIdOf, userOf } from "../tokens/principal.ts";
import type { ApiContext } from "./context.ts";
import { readId } from "./read-id.ts";
import { readJson } from "./read-json.ts";
import { summaryOf } from "./reading.ts";

/** `POST`: a username, and a key, by which the sandbox is entered. */
export async function exposeSsh(
  _request: Request,
  { sandboxes, ssh, principal }: ApiContext,
  id: string,
): Promise<Response> {
  return Response.json(await ssh.expose(sandboxes.get(readId(id)), userIdOf(principal)));
}

/** `POST`: whom a username and a key lead to. What does not exist and what is not allowed look the same. */
export async function authorizeSsh(request: Request, { ssh }: ApiContext): Promise<Response> {
  const parsed = SshAuthorizeRequest.safeParse(await readJson(request));
  if (!parsed.success) throw new SandboxError("INVALID_REQUEST", "username, key, address");
  const entry = await ssh.authorize(parsed.data);
  if (entry === null) throw new SandboxError("SANDBOX_NOT_FOUND");
  return Response.json(entry);
}

/** `PUT` of where the gateway is, for so long. */
export async function announceSsh(request: Request, { ssh }: ApiContext): Promise<Response> {
  const parsed = SshEndpoint.safeParse(await readJson(request));
  if (!parsed.success)
    throw new SandboxError("INVALID_REQUEST", "host, port, hostKey, fingerprint");
  ssh.announce(parsed.data);
  return new Response(null, { status: 204 });
}

/** `GET` of the keys of the user. */
export async function listSshKeys(
  _request: Request,
  { ssh, principal }: ApiContext,
): Promise<Response> {
  return Response.json(await ssh.keys(userOf(principal).id));
}

/** `POST`: one more. */
export async function addSshKey(
  request: Request,
  { ssh, principal }: ApiContext,
): Promise<Response> {
  const parsed = SshKeyRequest.safeParse(await readJson(request));
  if (!parsed.success)
    throw new SandboxError("INVALID_REQUEST", "name: a text; public_key: a line");
  const { name, public_key: line } = parsed.data;
  return Response.json(await ssh.addKey(userOf(principal).id, name, line), { status: 201 });
}

/** `DELETE` of one; its sessions end. */
export async function removeSshKey(
  _request: Request,
  { ssh, principal }: ApiContext,
  id: string,
): Promise<Response> {
  await ssh.removeKey(userOf(principal).id, id);
  return new Response(null, { status: 204 });
}

/** `GET` of one sandbox, and how it is entered. */
export async function describeWithSsh(
  _request: Request,
  { sandboxes, ssh }: ApiContext,
  id: string,
): Promise<Response> {
  const row = await sandboxes.find(readId(id));
  const way = row.status === "running" ? ssh.of(row.id) : null;
  return Response.json({ ...summaryOf(row), ...(way !== null && { ssh: way }) });
}
