import type { Socket } from "node:net";
import type { Transform } from "node:stream";

import { limits } from "@skerry/protocol";

/**
 * Carries bytes both ways, each at the pace of its reader, until both have ended or one breaks.
 *
 * @param watch Sees what the machine sends; when it fails, both ends are reset.
 */
export function join(machine: Socket, outside: Socket, watch?: Transform): void {
  carry(machine, outside, watch);
  carry(outside, machine);
}

function carry(from: Socket, to: Socket, watch?: Transform): void {
  from.on("error", () => to.resetAndDestroy());
  from.on("close", () => to.destroy());
  from.setTimeout(limits.egressIdleMs, () => from.destroy());
  if (watch === undefined) {
    from.pipe(to);
    return;
  }
  watch.on("error", () => {
    from.resetAndDestroy();
    to.resetAndDestroy();
  });
  from.on("close", () => watch.destroy());
  from.pipe(watch).pipe(to);
}
