import { egressProgram } from "@skerry/egress";
import { openHost } from "@skerry/host";
import { limits, type HostApi, type SandboxId } from "@skerry/protocol";
import type { Logger } from "pino";

import { readSetup, type ServeConfig } from "./config.ts";

/** A host that this process runs. */
export interface OwnHost extends HostApi, AsyncDisposable {
  /** Makes ready ahead what the first sandboxes need. */
  warmUp?(signal: AbortSignal): Promise<void>;
  /** Ends all machines but those of the sandboxes to keep; disposing of the host ends all. */
  close?(keep: ReadonlySet<SandboxId>): Promise<void>;
  /** Resolves when as many machines wait as shall wait. */
  poolFull?(signal: AbortSignal): Promise<void>;
}

/** Opens the machines for a configuration. Tests bring their own. */
export type OpenOwnHost = (
  config: ServeConfig,
  log: Logger,
  signal: AbortSignal,
) => Promise<OwnHost>;

/** The real machines. */
export const openMachines: OpenOwnHost = async (config, log, signal) => {
  const { home, poolSize, nameServers, trust, exceptions } = config;
  const pool = { size: poolSize, memoryMiB: limits.memoryDefaultMiB };
  const egress = [process.execPath, "--disable-warning=ExperimentalWarning", egressProgram];
  const machine = { ...readSetup(home), egress, nameServers, trust, exceptions };
  return await openHost({ home, machine, pool, log }, signal);
};
