import { access, mkdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

const mountPoint = "/sys/fs/cgroup";
const folder = "skerry";

/** What a machine's processes may use together. */
export interface CgroupLimits {
  readonly memoryBytes: number;
  readonly processCount: number;
  readonly cpuCount: number;
}

/** The files of one machine's control groups. */
export interface Cgroup extends AsyncDisposable {
  /** The files that a process writes itself into. */
  readonly entrances: readonly string[];
}

interface Hierarchy {
  readonly controllers: readonly string[];
  /** The folder of ours in each hierarchy. */
  readonly homes: readonly string[];
  readonly version: 1 | 2;
}

const wanted = ["memory", "pids", "cpu"] as const;
const cpuPeriodUs = 100_000;

/** Finds out which control groups this host lets us make. None is a valid answer. */
export async function findCgroups(): Promise<Hierarchy> {
  if (await exists(join(mountPoint, "cgroup.controllers"))) {
    const home = join(mountPoint, folder);
    const usable = await attempt(async () => {
      await mkdir(home, { recursive: true });
      await writeFile(join(mountPoint, "cgroup.subtree_control"), "+memory +pids +cpu");
      await writeFile(join(home, "cgroup.subtree_control"), "+memory +pids +cpu");
    });
    return { version: 2, controllers: usable ? wanted : [], homes: usable ? [home] : [] };
  }
  const homes: string[] = [];
  const controllers: string[] = [];
  for (const controller of wanted) {
    const home = join(mountPoint, controller, folder);
    if (!(await exists(join(mountPoint, controller, "cgroup.procs")))) continue;
    if (!(await attempt(() => mkdir(home, { recursive: true })))) continue;
    homes.push(home);
    controllers.push(controller);
  }
  return { version: 1, controllers, homes };
}

/** Makes the control groups of one machine. Disposing of it removes them; its processes are gone then. */
export async function makeCgroup(
  hierarchy: Hierarchy,
  name: string,
  limits: CgroupLimits,
): Promise<Cgroup> {
  await using stack = new AsyncDisposableStack();
  const folders: string[] = [];
  for (const [index, home] of hierarchy.homes.entries()) {
    const path = join(home, name);
    await mkdir(path, { recursive: true });
    stack.defer(() => removeCgroup(path));
    folders.push(path);
    const controllers =
      hierarchy.version === 2 ? wanted : wanted.filter((c) => c === hierarchy.controllers[index]);
    for (const controller of controllers) {
      for (const [file, value] of settings(hierarchy.version, controller, limits)) {
        await writeFile(join(path, file), value);
      }
    }
  }
  const owned = stack.move();
  return {
    entrances: folders.map((path) => join(path, "cgroup.procs")),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function settings(
  version: 1 | 2,
  controller: (typeof wanted)[number],
  limits: CgroupLimits,
): readonly (readonly [file: string, value: string])[] {
  const quota = Math.round(limits.cpuCount * cpuPeriodUs);
  switch (controller) {
    case "memory":
      return [[version === 2 ? "memory.max" : "memory.limit_in_bytes", `${limits.memoryBytes}`]];
    case "pids":
      return [["pids.max", `${limits.processCount}`]];
    case "cpu":
      return version === 2
        ? [["cpu.max", `${quota} ${cpuPeriodUs}`]]
        : [
            ["cpu.cfs_period_us", `${cpuPeriodUs}`],
            ["cpu.cfs_quota_us", `${quota}`],
          ];
  }
}

/**
 * Removes one control group.
 * The kernel lets a group go a moment after its last process is reaped, and tells nobody when.
 */
export async function removeCgroup(path: string): Promise<void> {
  for (let triesLeft = 100; ; triesLeft -= 1) {
    try {
      await rmdir(path);
      return;
    } catch (error) {
      if (codeOf(error) === "ENOENT") return;
      if (codeOf(error) !== "EBUSY" || triesLeft === 0) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function exists(path: string): Promise<boolean> {
  return await attempt(() => access(path));
}

/** Whether it worked: a host that does not allow it is one without this control group. */
async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch {
    return false;
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
