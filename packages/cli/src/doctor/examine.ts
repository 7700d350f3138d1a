import type { Config } from "../config.ts";
import { findLocalServer } from "../local-server.ts";
import { accelerationFinding, kvmFinding } from "./acceleration.ts";
import type { Finding } from "./finding.ts";
import * as probe from "./probe.ts";
import { cgroupFinding, diskFinding, memoryFinding } from "./resources.ts";
import { portFinding, serverFinding } from "./server.ts";
import { toolFinding, tools } from "./tools.ts";

/** Looks at everything that a server on this machine needs. */
export async function examine(config: Config): Promise<Finding[]> {
  const { home } = config;
  const server = await findLocalServer(home);
  const answer = await probe.askServer(server);
  const said = answer?.kind === "answered" ? answer.status.acceleration : undefined;
  const { available, total } = await probe.memory();
  const url = server.kind === "running" ? server.endpoint.url : undefined;
  return [
    serverFinding(server, answer),
    accelerationFinding(said ?? (await probe.keptAcceleration(home))),
    kvmFinding(await probe.probeKvm()),
    ...(await Promise.all(
      tools.map(async (tool) => toolFinding(tool, await probe.findProgram(tool.program, config))),
    )),
    portFinding(await probe.isDefaultPortFree(), url),
    diskFinding(home, await probe.freeDisk(home)),
    memoryFinding(available, total),
    cgroupFinding(await probe.cgroups()),
  ];
}
