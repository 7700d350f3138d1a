import { z } from "zod";

import { SandboxId } from "./ids.ts";
import { NetworkPolicy } from "./network-policy.ts";

/** What a host keeps with a machine, for a process that comes after it. */
export const MachineLabel = z.object({ id: SandboxId, network: NetworkPolicy });
export type MachineLabel = z.infer<typeof MachineLabel>;
