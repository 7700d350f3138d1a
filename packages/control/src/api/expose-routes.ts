import { ExposeRequest, SandboxError, SignRequest } from "@skerry/protocol";

import type { Ingress } from "../ingress/ingress.ts";
import type { ApiContext } from "./context.ts";
import { readId } from "./read-id.ts";
import { readJson } from "./read-json.ts";

/** `POST`: a name for what the sandbox serves, which leads nowhere until the socket says where. */
export async function exposeHttp(
  request: Request,
  context: ApiContext,
  id: string,
): Promise<Response> {
  const sandbox = context.sandboxes.get(readId(id));
  const parsed = ExposeRequest.safeParse(await readJson(request));
  if (!parsed.success) throw new SandboxError("INVALID_REQUEST", "private, expires_in_ms");
  const { private: isPrivate, expires_in_ms: expiresInMs = null } = parsed.data;
  const wish = { isPrivate: isPrivate === true, expiresInMs };
  return Response.json(await ingressOf(context).expose(sandbox, wish));
}

/** `POST`: a private name for an editor, with an address that is good for one opening. */
export async function exposeVscode(
  _request: Request,
  context: ApiContext,
  id: string,
): Promise<Response> {
  const sandbox = context.sandboxes.get(readId(id));
  return Response.json(await ingressOf(context).invite(sandbox));
}

/** `POST`: an address of a private name with a signature. */
export async function signUrl(
  request: Request,
  context: ApiContext,
  id: string,
): Promise<Response> {
  const sandbox = context.sandboxes.get(readId(id));
  const parsed = SignRequest.safeParse(await readJson(request));
  if (!parsed.success) throw new SandboxError("INVALID_REQUEST", "url, expires_in_ms");
  const { url, expires_in_ms: expiresInMs = null } = parsed.data;
  return Response.json({ url: ingressOf(context).sign(sandbox, url, expiresInMs) });
}

/** @throws {SandboxError} `INGRESS_OFF` */
export function ingressOf({ ingress }: Pick<ApiContext, "ingress">): Ingress {
  if (ingress === null) throw new SandboxError("INGRESS_OFF");
  return ingress;
}
