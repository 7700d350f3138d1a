import type { SandboxSummary } from "@skerry/protocol";

import type { SandboxRow } from "../store/store.ts";
import type { ApiContext } from "./context.ts";
import { readLabelFilter } from "./label-filter.ts";
import { readId } from "./read-id.ts";

/** Running and lately stopped sandboxes, newest first; `labels[k]=v` chooses among them. */
export async function listSandboxes(
  request: Request,
  { sandboxes }: ApiContext,
): Promise<Response> {
  const labels = readLabelFilter(new URL(request.url).searchParams);
  return Response.json((await sandboxes.list(labels)).map(summaryOf));
}

/** What happened to one sandbox, oldest first. */
export async function listEvents(
  _request: Request,
  { sandboxes }: ApiContext,
  id: string,
): Promise<Response> {
  const events = await sandboxes.events(readId(id));
  return Response.json(
    events.map(({ atMs, kind, detail }) => ({ at: new Date(atMs).toISOString(), kind, detail })),
  );
}

/** What this server is and has. */
export async function readStatus(_request: Request, context: ApiContext): Promise<Response> {
  const { sandboxes, host, version, regions } = context;
  const { count, max } = sandboxes;
  return Response.json({ version, regions, sandboxes: { count, max }, host: host.status() });
}

/** A sandbox as lists tell of it. */
export function summaryOf(row: SandboxRow): SandboxSummary {
  const { id, region, status, labels, memoryMiB } = row;
  return {
    ...{ id, region, status, labels, memoryMb: memoryMiB },
    createdAt: new Date(row.createdAtMs).toISOString(),
    stoppedAt: row.stoppedAtMs === null ? null : new Date(row.stoppedAtMs).toISOString(),
    stopAt: row.stopAtMs === null ? null : new Date(row.stopAtMs).toISOString(),
  };
}
