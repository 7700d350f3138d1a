import { fail, ok, sizeText, warn, type Finding } from "./finding.ts";

const gib = 1024 ** 3;

/** Free disk that the images and a few machines need, and that is comfortable. */
const diskBytesMin = 3 * gib;
const diskBytesGood = 10 * gib;
/** Memory that one machine needs, and that a few need. */
const memoryBytesMin = 1 * gib;
const memoryBytesGood = 4 * gib;

export function diskFinding(home: string, freeBytes: number): Finding {
  const detail = `${sizeText(freeBytes)} free for ${home}`;
  const remedy = `Free some space, or put the home on another disk with SKERRY_HOME; ${sizeText(diskBytesGood)} are comfortable.`;
  if (freeBytes < diskBytesMin) return fail("disk", detail, remedy);
  return freeBytes < diskBytesGood ? warn("disk", detail, remedy) : ok("disk", detail);
}

export function memoryFinding(availableBytes: number, totalBytes: number): Finding {
  const detail = `${sizeText(availableBytes)} of ${sizeText(totalBytes)} available`;
  const remedy = "End what is not needed: a machine may use up to its 1280 MiB.";
  if (availableBytes < memoryBytesMin) return fail("memory", detail, remedy);
  return availableBytes < memoryBytesGood ? warn("memory", detail, remedy) : ok("memory", detail);
}

/** `MemAvailable` of `/proc/meminfo` in bytes. */
export function availableMemory(meminfo: string): number | undefined {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

/** Which cgroup hierarchy the host has, from what exists below `/sys/fs/cgroup`. */
export function cgroupFinding(has: { readonly v2: boolean; readonly v1: boolean }): Finding {
  if (has.v2) return ok("cgroup", "version 2");
  if (has.v1) return ok("cgroup", "version 1");
  return warn(
    "cgroup",
    "there is none",
    "Mount it, so that the memory and processor time of machines can be limited: `mount -t cgroup2 none /sys/fs/cgroup`.",
  );
}
