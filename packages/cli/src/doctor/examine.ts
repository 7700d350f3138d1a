import type { Config } from "../config.ts";
import { findLocalServer } from "../local-server.ts";
import { accelerationFinding, kvmFinding } from "./acceleration.ts";
import type { Finding } from "./finding.ts";
import { defaultBaseDomain, namesFinding } from "./names.ts";
import * as probe from "./probe.ts";
import { cgroupFinding, diskFinding, memoryFinding } from "./resources.ts";
import { defaultPorts, portFinding, serverFinding, sshFinding } from "./server.ts";
import { toolFinding, tools } from "./tools.ts";

/** Looks at everything that a server on this machine needs. */
export async function examine(config: Config): Promise<Finding[]> {
  const { home } = config;
  const server = await findLocalServer(home);
  const answer = await probe.askServer(server);
  const said = answer?.kind === "answered" ? answer.status.acceleration : undefined;
  const { available, total } = await probe.memory();
  const ingress = server.kind === "running" ? server.endpoint.ingress : undefined;
  const { baseDomain = defaultBaseDomain } = ingress ?? {};
  const ssh = server.kind === "running" ? server.endpoint.ssh : undefined;
  const url = server.kind === "running" ? server.endpoint.url : undefined;
  return [
    serverFinding(server, answer),
    accelerationFinding(said ?? (await probe.keptAcceleration(home))),
    kvmFinding(await probe.probeKvm()),
    ...(await Promise.all(
      tools.map(async (tool) => toolFinding(tool, await probe.findProgram(tool.program, config))),
    )),
    portFinding(defaultPorts.api, await probe.isPortFree(defaultPorts.api.port), url),
    portFinding(
      defaultPorts.https,
      await probe.isPortFree(defaultPorts.https.port),
      ingress?.url ?? url,
    ),
    portFinding(
      defaultPorts.ssh,
      await probe.isPortFree(defaultPorts.ssh.port),
      ssh ? `ssh://${ssh.host}:${ssh.port}` : url,
    ),
    ...[sshFinding(server)].filter((finding) => finding !== null),
    namesFinding(baseDomain, await probe.resolves(`doctor.${baseDomain}`)),
    diskFinding(home, await probe.freeDisk(home)),
    memoryFinding(available, total),
    cgroupFinding(await probe.cgroups()),
  ];
}
