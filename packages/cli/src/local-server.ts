import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";

import { Endpoint } from "@skerry/sdk";

import { CommandFailure } from "./failure.ts";

/** What a server of this machine left in its home, and whether it still runs. */
export type LocalServer =
  | { readonly kind: "running"; readonly endpoint: Endpoint }
  | { readonly kind: "dead"; readonly endpoint: Endpoint }
  | { readonly kind: "none" }
  | { readonly kind: "unreadable"; readonly reason: string };

/** Looks for the server of a home. */
export async function findLocalServer(
  home: string,
  isAlive: (pid: number) => boolean = isProcessAlive,
): Promise<LocalServer> {
  const file = join(home, "run/endpoint.json");
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "ENOENT" || code === "ENOTDIR") return { kind: "none" };
    return { kind: "unreadable", reason: `cannot read ${file} (${code})` };
  }
  const endpoint = endpointOf(text);
  if (endpoint === undefined) return { kind: "unreadable", reason: `${file} makes no sense` };
  return { kind: isAlive(endpoint.pid) ? "running" : "dead", endpoint };
}

/** @throws {CommandFailure} when no server of this home runs. */
export async function localEndpoint(home: string): Promise<Endpoint> {
  const server = await findLocalServer(home);
  if (server.kind === "running") return server.endpoint;
  const reasons = {
    dead: `the server of ${home} is not running any more`,
    none: `no server runs with the home ${home}`,
    unreadable: server.kind === "unreadable" ? server.reason : "",
  };
  const remedy =
    server.kind === "unreadable"
      ? "Run this as the user who runs the server."
      : "Start one with `skerry serve`, or name another home with --home or SKERRY_HOME.";
  throw new CommandFailure(reasons[server.kind], remedy);
}

function endpointOf(text: string): Endpoint | undefined {
  try {
    return Endpoint.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // not even JSON
  }
}

function isProcessAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM"; // somebody else's
  }
}
