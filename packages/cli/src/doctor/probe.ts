import { lookup } from "node:dns/promises";
import { constants } from "node:fs";
import { access, open, readFile, statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { homedir, totalmem } from "node:os";
import { dirname, join } from "node:path";

import { accelerationOf, Client } from "@skerry/sdk";

import type { Config } from "../config.ts";
import type { LocalServer } from "../local-server.ts";
import type { Acceleration, KvmDevice } from "./acceleration.ts";
import { availableMemory } from "./resources.ts";
import type { Answer } from "./server.ts";

/** Asks the server how it is; `undefined` when none runs. */
export async function askServer(server: LocalServer): Promise<Answer | undefined> {
  if (server.kind !== "running") return undefined;
  const { url, token } = server.endpoint;
  try {
    return { kind: "answered", status: await new Client({ endpoint: url, token }).status() };
  } catch (error) {
    return { kind: "failed", reason: error instanceof Error ? error.message : String(error) };
  }
}

/** What the last server of this home found out about acceleration. */
export async function keptAcceleration(home: string): Promise<Acceleration | undefined> {
  const text = await textOf(join(home, "acceleration.json"));
  try {
    return text === undefined ? undefined : accelerationOf(JSON.parse(text));
  } catch {
    return undefined; // cut off while it was written: as good as none
  }
}

export async function probeKvm(): Promise<KvmDevice> {
  try {
    await using _ = await open("/dev/kvm", "r+");
    return { kind: "usable" };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    return code === "ENOENT" ? { kind: "missing" } : { kind: "refused", code };
  }
}

/** Where a program is, if it is. */
export async function findProgram(name: string, { path }: Config): Promise<string | undefined> {
  const extra = ["/usr/sbin", "/sbin", join(homedir(), ".cargo/bin")];
  for (const directory of [...path, ...extra]) {
    const file = join(directory, name);
    if (await isThere(file, constants.X_OK)) return file;
  }
  return undefined;
}

/** Free bytes of the disk that a home is on, or will be. */
export async function freeDisk(home: string): Promise<number> {
  let directory = home;
  while (!(await isThere(directory))) directory = dirname(directory);
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

export async function memory(): Promise<{ readonly available: number; readonly total: number }> {
  const total = totalmem();
  return { available: availableMemory((await textOf("/proc/meminfo")) ?? "") ?? total, total };
}

export async function cgroups(): Promise<{ readonly v2: boolean; readonly v1: boolean }> {
  const root = "/sys/fs/cgroup";
  const [v2, v1] = await Promise.all([
    isThere(join(root, "cgroup.controllers")),
    isThere(join(root, "memory")),
  ]);
  return { v2, v1 };
}

/** Whether a name leads to an address, as programs of this host ask for it. */
export async function resolves(name: string): Promise<boolean> {
  return lookup(name).then(
    () => true,
    () => false,
  );
}

/** Whether a port can be taken. */
export async function isPortFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once("error", () => resolve(false));
  server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  return promise;
}

async function isThere(path: string, mode: number = constants.F_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

/** `undefined` when it cannot be read, whatever the reason: a check goes on without it. */
async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}
