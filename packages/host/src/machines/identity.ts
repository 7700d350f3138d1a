import { randomBytes } from "node:crypto";

import { type Guest, limits } from "@skerry/protocol";

/**
 * Makes a restored machine one of its own, before anything of the user runs: fresh entropy for the
 * kernel, the wall clock, a name, a machine id, and the sandbox's environment.
 */
export async function giveIdentity(
  guest: Guest,
  name: string,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(limits.guestCallMs)]);
  await guest.call(
    "configure",
    {
      // Host names have no underscores.
      hostname: name.replaceAll("_", "-"),
      machineId: randomBytes(16).toString("hex"),
      entropy: randomBytes(64).toString("base64"),
      env,
      wallClockMs: Date.now(),
    },
    deadline,
  );
}
