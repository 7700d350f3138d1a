import { OrganizationRequest, SandboxError, UserRequest } from "@skerry/protocol";

import { userOf } from "../tokens/principal.ts";
import type { ApiContext } from "./context.ts";
import { readJson } from "./read-json.ts";

const nameForm = "name: letters, digits, dots, hyphens and @";

/** `GET` of who asks. */
export async function describeMe(
  _request: Request,
  { users, principal }: ApiContext,
): Promise<Response> {
  return Response.json(await users.describe(userOf(principal)));
}

/** `GET` of all users. */
export async function listUsers(_request: Request, { users }: ApiContext): Promise<Response> {
  return Response.json(await users.list());
}

/** `POST`: one more, who has no token yet. */
export async function createUser(
  request: Request,
  { users, principal }: ApiContext,
): Promise<Response> {
  const parsed = UserRequest.safeParse(await readJson(request));
  if (!parsed.success) {
    throw new SandboxError("INVALID_REQUEST", `${nameForm}; organization; role: admin or member`);
  }
  const { name, organization, role } = parsed.data;
  const home = organization ?? userOf(principal).organizationId;
  return Response.json(await users.create(name, home, role ?? "member"), { status: 201 });
}

/** `DELETE` of one, with tokens and keys. */
export async function removeUser(
  _request: Request,
  { users, principal }: ApiContext,
  id: string,
): Promise<Response> {
  await users.remove(decoded(id), userOf(principal));
  return new Response(null, { status: 204 });
}

/** `GET` of all organizations. */
export async function listOrganizations(
  _request: Request,
  { users }: ApiContext,
): Promise<Response> {
  return Response.json(await users.organizations());
}

/** `POST`: one more. */
export async function createOrganization(
  request: Request,
  { users }: ApiContext,
): Promise<Response> {
  const parsed = OrganizationRequest.safeParse(await readJson(request));
  if (!parsed.success) throw new SandboxError("INVALID_REQUEST", nameForm);
  return Response.json(await users.createOrganization(parsed.data.name), { status: 201 });
}

/** `DELETE` of one that nobody is in. */
export async function removeOrganization(
  _request: Request,
  { users }: ApiContext,
  id: string,
): Promise<Response> {
  await users.removeOrganization(decoded(id));
  return new Response(null, { status: 204 });
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // it is the name of nobody
  }
}
