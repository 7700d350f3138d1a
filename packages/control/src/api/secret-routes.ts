import {
  allowRuleText,
  limits,
  SandboxError,
  SecretChange,
  secretGrantOf,
  type SecretGrant,
  type SecretSummary,
} from "@skerry/protocol";

import { makePlaceholder } from "../secrets/placeholder.ts";
import type { ApiContext } from "./context.ts";
import { readId } from "./read-id.ts";
import { readJson } from "./read-json.ts";

/** `GET` of a running sandbox's secrets, without their values. */
export async function listSecrets(
  _request: Request,
  { sandboxes }: ApiContext,
  id: string,
): Promise<Response> {
  const { secrets } = sandboxes.get(readId(id)).network;
  return Response.json({ secrets: secrets.map(summaryOf) });
}

/** `PUT` of one: another value, other hosts, or a secret that is new. Holds when the answer is there. */
export async function putSecret(
  request: Request,
  { sandboxes }: ApiContext,
  id: string,
  name: string,
): Promise<Response> {
  const sandbox = sandboxes.get(readId(id));
  const parsed = SecretChange.safeParse(await readJson(request));
  if (!parsed.success) {
    throw new SandboxError("INVALID_REQUEST", "hosts: a list; value: a text; in: a list of places");
  }
  const made = await sandbox.setSecret(name, (before, count) =>
    changed(name, parsed.data, before, count),
  );
  return Response.json(summaryOf(made));
}

/** `DELETE` of one. */
export async function removeSecret(
  _request: Request,
  { sandboxes }: ApiContext,
  id: string,
  name: string,
): Promise<Response> {
  await sandboxes.get(readId(id)).removeSecret(name);
  return new Response(null, { status: 204 });
}

function changed(
  name: string,
  change: SecretChange,
  before: SecretGrant | undefined,
  count: number,
): SecretGrant {
  if (before === undefined && count >= limits.secretsMax) {
    throw new SandboxError("INVALID_REQUEST", `more than ${limits.secretsMax} secrets`);
  }
  const { value = before?.value, hosts = before === undefined ? undefined : hostsOf(before) } =
    change;
  if (value === undefined || hosts === undefined) {
    throw new SandboxError("INVALID_REQUEST", `${name} is new: it needs hosts and a value`);
  }
  const places = change.in ?? before?.in;
  try {
    return secretGrantOf(
      name,
      { hosts, value, in: places },
      before?.placeholder ?? makePlaceholder(),
    );
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new SandboxError("INVALID_REQUEST", error.message);
  }
}

function summaryOf(secret: SecretGrant): SecretSummary {
  return { name: secret.name, hosts: hostsOf(secret), in: secret.in };
}

function hostsOf({ hosts }: SecretGrant): string[] {
  return hosts.map(allowRuleText);
}
