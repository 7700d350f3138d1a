import type { WebSocket } from "ws";

import type { Clock } from "../clock.ts";
import type { Sandbox } from "../sandboxes/sandbox.ts";
import type { Visitor } from "./tickets.ts";

/**
 * Has the sandbox's event log tell of a visit by SSH: who came, how, from where, for how long, and how
 * many programs ran.
 *
 * @returns what is told of those programs in the place of the sandbox.
 */
export function recordVisit(
  { who, how, address }: Visitor,
  {
    sandbox,
    client,
    clock,
  }: { readonly sandbox: Sandbox; readonly client: WebSocket; readonly clock: Clock },
): Sandbox["record"] {
  const openedAtMs = clock.now();
  let programs = 0;
  sandbox.record("ssh-opened", { who, how, address });
  client.once("close", () => {
    const seconds = Math.round((clock.now() - openedAtMs) / 1_000);
    sandbox.record("ssh-closed", { who, how, address, seconds, programs });
  });
  return (kind, detail) => {
    if (kind === "command-started") programs += 1;
    sandbox.record(kind, detail);
  };
}
