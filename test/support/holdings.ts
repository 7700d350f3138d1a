import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * What this host holds for machines of one home: processes, network devices, mounts, control
 * groups and files. Suites compare it with what it was before.
 */
export function holdingsOf(home: string): string[] {
  return [
    ...processesOf(home),
    ...networkDevices(),
    ...mountsOf(home),
    ...cgroups(),
    ...filesOf(home),
  ].toSorted();
}

function processesOf(home: string): string[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => {
      const args = readOrNothing(`/proc/${pid}/cmdline`).split("\0");
      const name = args[args.indexOf("-name") + 1] ?? "";
      const id = /^skerry-machine-([0-9a-f]{16})$/.exec(name)?.[1];
      // A zombie that its parent has not read yet holds nothing any more.
      const isDead = / Z /.test(readOrNothing(`/proc/${pid}/stat`));
      return id !== undefined && !isDead && existsSync(join(home, "machines", id))
        ? [`process ${pid} of ${id}`]
        : [];
    });
}

function networkDevices(): string[] {
  return readdirSync("/sys/class/net").map((name) => `network device ${name}`);
}

function mountsOf(home: string): string[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .filter((line) => line.includes(home))
    .map((line) => `mount ${line}`);
}

/** Control groups have random names, so those of a running neighbour may come and go: count ours. */
function cgroups(): string[] {
  const roots = ["memory", "pids", "cpu", "."].map((part) =>
    join("/sys/fs/cgroup", part, "skerry"),
  );
  return roots
    .filter((root) => existsSync(root))
    .flatMap((root) => readdirSync(root).filter((name) => name.startsWith("skerry-machine-")))
    .map((name) => `control group ${name}`);
}

function filesOf(home: string): string[] {
  return (
    ["machines", "templates"]
      .map((name) => join(home, name))
      .filter((directory) => existsSync(directory))
      .flatMap((directory) => readdirSync(directory).map((name) => join(directory, name)))
      // The empty disks that machines copy are made once and stay, like the templates.
      .filter((path) => !/\/empty-[^/]*\.qcow2$/.test(path))
      .map((path) => `file ${path}`)
  );
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the process has ended meanwhile
  }
}
