import type { ServerStatus } from "@skerry/sdk";

import type { LocalServer } from "../local-server.ts";
import { fail, ok, warn, type Finding } from "./finding.ts";

/** What a running server said when it was asked how it is. */
export type Answer =
  | { readonly kind: "answered"; readonly status: ServerStatus }
  | { readonly kind: "failed"; readonly reason: string };

export function serverFinding(server: LocalServer, answer: Answer | undefined): Finding {
  const start = "Start it with `skerry serve`.";
  switch (server.kind) {
    case "none":
      return warn("server", "does not run", start);
    case "dead":
      return warn(
        "server",
        `does not run any more (process ${server.endpoint.pid} is gone)`,
        start,
      );
    case "unreadable":
      return fail("server", server.reason, "Run this as the user who runs the server.");
    case "running":
      break;
  }
  const { url, pid, version } = server.endpoint;
  if (answer?.kind === "failed") {
    const remedy = `See its log; if it hangs, end process ${pid} and start it again.`;
    return fail(
      "server",
      `process ${pid} runs and does not answer at ${url}: ${answer.reason}`,
      remedy,
    );
  }
  const machines = answer?.status.machines;
  const counted = machines === undefined ? "" : `, ${machines} machines`;
  return ok("server", `version ${version} at ${url}, process ${pid}${counted}`);
}

/** The SSH gateway of a server that runs, and what it proves itself by; null when none runs. */
export function sshFinding(server: LocalServer): Finding | null {
  if (server.kind !== "running") return null;
  const { ssh } = server.endpoint;
  if (!ssh) return ok("ssh", "off");
  return ok("ssh", `${ssh.host} port ${ssh.port}, host key ${ssh.fingerprint}`);
}

/** A port that a server takes when it is not told another, and the option that tells it. */
export interface DefaultPort {
  readonly port: number;
  readonly option: string;
}

/** The API's, and that of exposed servers. */
export const defaultPorts = {
  api: { port: 8420, option: "--listen" },
  https: { port: 8443, option: "--https" },
  ssh: { port: 2222, option: "--ssh" },
} as const satisfies Record<string, DefaultPort>;

/**
 * @param isFree Whether the port could be taken.
 * @param url Where the server that runs listens, when one does.
 */
export function portFinding(
  { port, option }: DefaultPort,
  isFree: boolean,
  url: string | undefined,
): Finding {
  const name = `port ${port}`;
  const isOurs = url !== undefined && URL.parse(url)?.port === String(port);
  if (isOurs) return ok(name, "held by our server");
  if (isFree) return ok(name, "free");
  if (url !== undefined) return ok(name, "held by another program; our server uses another port");
  return fail(
    name,
    "held by another program",
    `End that program, or start the server with \`${option} 127.0.0.1:0\`.`,
  );
}
