import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

import { ImageError, type Progress } from "../../packages/host/src/images/index.ts";
import { canBecomeRoot, findProgram, isThere, runAsRoot } from "./command.ts";
import { SetUpError } from "./failure.ts";

/** A Debian package, and the program or file that shows that it is installed. */
export interface Requirement {
  readonly package: string;
  /** A program that is looked up, or an absolute path. */
  readonly shows: string;
}

/** What running machines and building images takes. */
export const hostRequirements: readonly Requirement[] = [
  { package: "qemu-system-x86", shows: "qemu-system-x86_64" },
  { package: "qemu-utils", shows: "qemu-img" },
  { package: "mmdebstrap", shows: "mmdebstrap" },
  { package: "erofs-utils", shows: "mkfs.erofs" },
  { package: "e2fsprogs", shows: "mkfs.ext4" },
  { package: "kmod", shows: "depmod" },
  { package: "xz-utils", shows: "xz" },
  { package: "iproute2", shows: "ip" },
  { package: "nftables", shows: "nft" },
  { package: "curl", shows: "curl" },
  { package: "passwd", shows: "useradd" },
  // Finds *.localhost, where exposed servers are, for programs that leave it to the system.
  { package: "libnss-myhostname", shows: "/lib/x86_64-linux-gnu/libnss_myhostname.so.2" },
  { package: "ca-certificates", shows: "/etc/ssl/certs/ca-certificates.crt" },
  { package: "debian-archive-keyring", shows: "/usr/share/keyrings/debian-archive-keyring.gpg" },
];

/** What building the native programs takes besides Rust: build scripts are linked with cc. */
export const compilerRequirements: readonly Requirement[] = [
  { package: "gcc", shows: "cc" },
  { package: "libc6-dev", shows: "/usr/include/x86_64-linux-gnu/sys/cdefs.h" },
];

/** What the tests take besides: programs that talk to us, and a certificate authority as the internet has. */
export const testRequirements: readonly Requirement[] = [
  { package: "pebble", shows: "pebble" },
  { package: "openssh-client", shows: "ssh" },
  { package: "rsync", shows: "rsync" },
  { package: "tmux", shows: "tmux" },
  { package: "git", shows: "git" },
  { package: "openssl", shows: "openssl" },
  { package: "chromium", shows: "chromium" },
];

/** Options of {@link installPackages}. */
export interface InstallOptions {
  /** Whose progress it is. */
  readonly step: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

const lockWaitMs = 300_000;
const lockPollMs = 3_000;
const installDeadlineMs = 1_800_000;

/** The packages of these that are not installed. */
export async function missingPackages(
  requirements: readonly Requirement[],
): Promise<readonly string[]> {
  const missing = await Promise.all(
    requirements.map(async ({ package: name, shows }) => {
      const isInstalled = shows.startsWith("/")
        ? await isThere(shows)
        : (await findProgram(shows)) !== null;
      return isInstalled ? [] : [name];
    }),
  );
  return missing.flat();
}

/**
 * Installs Debian packages, after what an interrupted installation left is put right. Waits for another apt.
 * @throws SetUpError when this is no Debian, root cannot be had, or apt fails
 */
export async function installPackages(
  names: readonly string[],
  { step, progress, signal }: InstallOptions,
): Promise<void> {
  if (names.length === 0) return;
  const byHand = `apt-get install ${names.join(" ")}`;
  if ((await findProgram("apt-get")) === null) {
    throw new SetUpError(
      `this is no Debian; install what these packages have by hand: ${names.join(" ")}`,
    );
  }
  if (!(await canBecomeRoot(signal))) {
    throw new SetUpError(
      `Debian packages are missing and need root; run this first: sudo ${byHand}`,
    );
  }
  progress({ step, detail: "fetching the package index" });
  const staleIndex = await updateIndex(signal);
  progress({ step, detail: names.join(" ") });
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const onLine = (line: string): void => {
    const doing = /^(Get:\d+|Unpacking|Setting up) .*/.exec(line)?.[0];
    if (doing !== undefined) progress({ step, detail: doing });
  };
  try {
    await runAsRoot("dpkg", ["--configure", "-a"], {
      doing: "finish an earlier installation",
      env,
      signal,
    });
    const lock = ["-o", `DPkg::Lock::Timeout=${lockWaitMs / 1000}`, "-o", "Acquire::Retries=3"];
    const args = [...lock, "install", "--yes", "--no-install-recommends", ...names];
    const hint = `see what apt says: ${byHand}`;
    const options = { doing: "install Debian packages", hint, deadlineMs: installDeadlineMs };
    await runAsRoot("apt-get", args, { ...options, env, onLine, signal });
  } catch (error) {
    if (!(error instanceof ImageError) || staleIndex === "") throw error;
    throw new SetUpError(error.message, { detail: `${error.detail}\n${staleIndex}`, cause: error });
  }
}

/** The major version of Debian here; null when this is something else. */
export async function debianVersion(): Promise<number | null> {
  const text = await readFile("/etc/os-release", "utf8");
  const isDebian = /^ID="?debian"?$/m.test(text);
  const version = /^VERSION_ID="?(\d+)/m.exec(text)?.[1];
  return isDebian && version !== undefined ? Number(version) : null;
}

/**
 * Fetches the index. What fails is returned and not thrown: one source that is down must not stop an installation
 * from the others.
 */
async function updateIndex(signal: AbortSignal): Promise<string> {
  const deadline = Date.now() + lockWaitMs;
  for (;;) {
    try {
      await runAsRoot("apt-get", ["update"], { doing: "fetch the package index", signal });
      return "";
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      const isLocked = /Could not get lock|Unable to lock/.test(error.detail);
      if (!isLocked || Date.now() > deadline) return error.detail;
      await delay(lockPollMs, undefined, { signal });
    }
  }
}
