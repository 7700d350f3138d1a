import {
  allowNetOf,
  ExtendRequest,
  limits,
  networkPolicyOf,
  NetworkSettings,
  SandboxError,
} from "@skerry/protocol";

import type { ApiContext } from "./context.ts";
import { readId } from "./read-id.ts";
import { readJson } from "./read-json.ts";
import { summaryOf } from "./reading.ts";

/** `GET` of one sandbox: what a list would say of it. */
export async function describeSandbox(
  _request: Request,
  { sandboxes }: ApiContext,
  id: string,
): Promise<Response> {
  return Response.json(summaryOf(await sandboxes.find(readId(id))));
}

/** `PATCH`: another stop time. Answers with the one that was granted. */
export async function extendSandbox(
  request: Request,
  { sandboxes }: ApiContext,
  id: string,
): Promise<Response> {
  const sandbox = sandboxes.get(readId(id));
  const parsed = ExtendRequest.safeParse(await readJson(request));
  if (!parsed.success) throw new SandboxError("INVALID_REQUEST", "stop_at_ms: a time in ms");
  return Response.json({ stop_at_ms: sandbox.extend(parsed.data.stop_at_ms) });
}

/** `GET` of what a running sandbox may reach. */
export async function readNetwork(
  _request: Request,
  { sandboxes }: ApiContext,
  id: string,
): Promise<Response> {
  return Response.json({ allowNet: allowNetOf(sandboxes.get(readId(id)).network.policy) });
}

/** `PUT` of it: another policy, which holds when the answer is there. */
export async function replaceNetwork(
  request: Request,
  { sandboxes }: ApiContext,
  id: string,
): Promise<Response> {
  const sandbox = sandboxes.get(readId(id));
  const parsed = NetworkSettings.safeParse(await readJson(request));
  if (!parsed.success)
    throw new SandboxError("INVALID_REQUEST", "allowNet: a list of hosts, or null");
  try {
    await sandbox.setPolicy(networkPolicyOf(parsed.data.allowNet));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new SandboxError("INVALID_REQUEST", `allowNet: ${error.message}`);
  }
  return Response.json({ allowNet: allowNetOf(sandbox.network.policy) });
}

/** `DELETE`: ends the sandbox; answers when its machine is gone, or soon will be. */
export async function killSandbox(
  _request: Request,
  { sandboxes, clock }: ApiContext,
  id: string,
): Promise<Response> {
  const sandbox = sandboxes.get(readId(id));
  sandbox.request({ kind: "kill" });
  const { promise: tooLong, resolve } = Promise.withResolvers<"late">();
  using _timer = clock.setTimer(limits.killAnswerMs, () => resolve("late"));
  const outcome = await Promise.race([sandbox.ended, tooLong]);
  if (outcome === "late") sandbox.log.warn("machine is slow to go");
  return new Response(null, { status: outcome === "late" ? 202 : 204 });
}
