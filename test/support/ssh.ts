import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { collect } from "./official.ts";

/** How a real client enters. */
export interface Way {
  readonly hostname: string;
  readonly port: number;
  readonly username: string;
  readonly hostKey: string;
  /** A file with a private key; without it, none is offered. */
  readonly identity?: string;
}

/** What a program of OpenSSH did. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Writes a configuration, by which `ssh -F FILE box` enters; returns its file. */
export function sshConfig(directory: string, way: Way, more: readonly string[] = []): string {
  const name = join(directory, `config-${randomUUID()}`); // clients may still be reading the last one
  const known = `${name}.known`;
  writeFileSync(known, `[${way.hostname}]:${way.port} ${way.hostKey}\n`);
  const lines = [
    ...["Host box", `HostName ${way.hostname}`, `Port ${way.port}`, `User ${way.username}`],
    ...[`UserKnownHostsFile ${known}`, "StrictHostKeyChecking yes", "BatchMode yes"],
    ...[`IdentityFile ${way.identity ?? "none"}`, "IdentitiesOnly yes", "ConnectTimeout 20"],
    ...more,
  ];
  writeFileSync(name, `${lines.join("\n")}\n`, { mode: 0o600 });
  return name;
}

/** Runs a program to its end. @param input What it reads; by default nothing. */
export async function program(
  command: string,
  args: readonly string[],
  input?: Buffer | string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ran> {
  const child = spawn(command, args, { env });
  child.stdin.on("error", () => {}); // it may end before it has read all
  child.stdin.end(input);
  const ended = once(child, "close");
  const [stdout, stderr] = await Promise.all([collect(child.stdout), collect(child.stderr)]);
  const [code] = (await ended) as [number | null];
  return { code, stdout, stderr: stderr.toString() };
}
