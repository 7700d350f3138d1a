import { SandboxError, TokenRequest, type TokenSummary } from "@skerry/protocol";

import type { UserRow } from "../store/store.ts";
import { userOf } from "../tokens/principal.ts";
import type { IssuedToken, TokenInfo } from "../tokens/tokens.ts";
import type { ApiContext } from "./context.ts";
import { readId } from "./read-id.ts";
import { readJson } from "./read-json.ts";

/** `GET` of one's own tokens; `?user=` of another's, for an admin. */
export async function listTokens(request: Request, context: ApiContext): Promise<Response> {
  const user = await subjectOf(context, new URL(request.url).searchParams.get("user"));
  const tokens = await context.tokens.list();
  return Response.json(tokens.filter(({ userId }) => userId === user.id).map(summaryOf));
}

/** `POST`: one more. */
export async function createToken(request: Request, context: ApiContext): Promise<Response> {
  const parsed = TokenRequest.safeParse(await readJson(request));
  if (!parsed.success) {
    throw new SandboxError(
      "INVALID_REQUEST",
      "name: a text; expires_in_ms, user, sandbox, gateway",
    );
  }
  const issued = await issue(context, parsed.data);
  return Response.json({ ...summaryOf(issued), token: issued.token }, { status: 201 });
}

/** `DELETE` of one; what was opened with it ends. */
export async function revokeToken(
  _request: Request,
  { tokens, principal }: ApiContext,
  id: string,
): Promise<Response> {
  const user = userOf(principal);
  const found = (await tokens.list()).find((token) => token.id === id);
  const isReached = found !== undefined && (found.userId === user.id || user.role === "admin");
  if (!isReached || !(await tokens.revoke(id))) throw new SandboxError("NOT_FOUND", "token");
  return new Response(null, { status: 204 });
}

async function issue(context: ApiContext, wish: TokenRequest): Promise<IssuedToken> {
  const { tokens, sandboxes, clock } = context;
  const { name, expires_in_ms: lifeMs } = wish;
  const user = await subjectOf(context, wish.user ?? null);
  if (wish.gateway === true) {
    if (userOf(context.principal).role !== "admin") throw new SandboxError("FORBIDDEN");
    return await tokens.issueForGateway(name, user.id);
  }
  const expiresAtMs = lifeMs === undefined || lifeMs === null ? null : clock.now() + lifeMs;
  if (wish.sandbox === undefined || wish.sandbox === null) {
    return await tokens.issue(name, expiresAtMs, user.id);
  }
  const { id } = sandboxes.get(readId(wish.sandbox));
  return await tokens.issueFor(id, { name, expiresAtMs, userId: user.id });
}

/** Whom a request is about: whoever asks, or somebody else whom an admin names. @throws {SandboxError} `FORBIDDEN` */
async function subjectOf(
  { users, principal }: ApiContext,
  nameOrId: string | null,
): Promise<UserRow> {
  const user = userOf(principal);
  if (nameOrId === null || nameOrId === user.id || nameOrId === user.name) return user;
  if (user.role !== "admin") throw new SandboxError("FORBIDDEN");
  return await users.find(nameOrId);
}

function summaryOf(info: TokenInfo): TokenSummary {
  const { id, name, userId, scope, createdAtMs, expiresAtMs, lastUsedAtMs } = info;
  return {
    ...{ id, name, user: userId, scope: scope.kind },
    sandbox: scope.kind === "sandbox" ? scope.sandboxId : null,
    createdAt: new Date(createdAtMs).toISOString(),
    expiresAt: timeText(expiresAtMs),
    lastUsedAt: timeText(lastUsedAtMs),
  };
}

function timeText(timeMs: number | null): string | null {
  return timeMs === null ? null : new Date(Math.min(timeMs, lastDateMs)).toISOString();
}

/** The last time that a date can be (ECMAScript, 21.4.1.1). */
const lastDateMs = 8.64e15;
