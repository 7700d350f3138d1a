import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";

import type { SshAccess } from "@skerry/sdk";

import { CommandFailure } from "./failure.ts";

/**
 * Runs this machine's SSH client, with nothing to set up: it knows the gateway's key, and finds the
 * username in a file that nobody else reads, since whoever knows it may enter.
 *
 * @returns its exit code. @throws {CommandFailure} when there is no SSH client.
 */
export async function runSsh(access: SshAccess, command: readonly string[]): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), "skerry-ssh-"));
  try {
    const config = join(directory, "config");
    await writeFile(join(directory, "known_hosts"), knownHost(access), { mode: 0o600 });
    await writeFile(config, configOf(access, directory), { mode: 0o600 });
    const child = spawn("ssh", ["-F", config, "sandbox", ...command], { stdio: "inherit" });
    const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (!isMissing) throw error;
    throw new CommandFailure("there is no ssh on this machine; install openssh-client");
  } finally {
    await rm(directory, { recursive: true });
  }
}

function knownHost({ hostname, port, hostKey }: SshAccess): string {
  return `${port === 22 ? hostname : `[${hostname}]:${port}`} ${hostKey}\n`;
}

function configOf({ hostname, port, username }: SshAccess, directory: string): string {
  const lines = [
    ...["Host sandbox", `HostName ${hostname}`, `Port ${port}`, `User ${username}`],
    ...[`UserKnownHostsFile ${join(directory, "known_hosts")}`, "StrictHostKeyChecking yes"],
    ...["IdentityFile none", "IdentitiesOnly yes", "LogLevel ERROR"],
  ];
  return `${lines.join("\n")}\n`;
}
