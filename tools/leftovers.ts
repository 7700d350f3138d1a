import { existsSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What machines and tests leave on a host when something forgets to clean up. */
export function leftovers(): string[] {
  const all = [processes(), controlGroups(), networks(), mounts(), temporaryFiles()];
  return all.flat().toSorted();
}

function processes(): string[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => readOrNothing(`/proc/${pid}/cmdline`).includes("\0skerry-machine-"))
    .map((pid) => `process ${pid}`);
}

function controlGroups(): string[] {
  return ["memory", "pids", "cpu", "."]
    .map((part) => join("/sys/fs/cgroup", part, "skerry"))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((path) => path.includes("skerry-machine-"));
}

function networks(): string[] {
  return readdirSync("/sys/class/net")
    .filter((name) => /^(skerry|skt)\d+$/.test(name))
    .map((name) => `network device ${name}`);
}

function mounts(): string[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .filter((line) => line.includes("skerry"))
    .map((line) => `mount ${line}`);
}

function temporaryFiles(): string[] {
  return readdirSync(tmpdir())
    .filter((name) => /^skerry-(test|full|conformance)-/.test(name))
    .map((name) => join(tmpdir(), name));
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the process has ended meanwhile
  }
}
