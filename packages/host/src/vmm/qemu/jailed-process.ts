import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";

import { SandboxError } from "@skerry/protocol";

import { inherited } from "./command-line.ts";

/** One file or directory that a jailed program may see. */
export interface View {
  readonly source: string;
  /** Its path in the jail. */
  readonly target: string;
  readonly writable?: boolean;
}

export interface JailOptions {
  /** A program with its first arguments that becomes the launcher, in a network of the machine's own. */
  readonly network: readonly string[];
  readonly launcher: string;
  /** An empty directory that the jail's root is mounted on, in a namespace of its own. */
  readonly root: string;
  readonly views: readonly View[];
  readonly devices: readonly string[];
  readonly sockets: readonly { readonly fd: number; readonly path: string }[];
  readonly cgroupEntrances: readonly string[];
  readonly uid: number;
  /** An open file to inherit as {@link inherited.state}. */
  readonly stateFd: number | undefined;
  /** An open file for what the program prints. */
  readonly logFd: number;
}

/** A program in a jail. Disposing of it kills it and waits until it is gone. */
export interface JailedProcess extends AsyncDisposable {
  readonly pid: number;
  /** Settles when the process has ended, with how. Never rejects. */
  readonly ended: Promise<string>;
}

/** The libraries and data that QEMU of a Debian package needs, by host path. */
const qemuFiles = [
  "/usr/lib/x86_64-linux-gnu",
  "/usr/lib64",
  "/usr/share/qemu",
  "/usr/share/seabios",
] as const;
const qemuProgram = "/usr/bin/qemu-system-x86_64";
const kvmDevice = "/dev/kvm";

/**
 * Starts QEMU in a jail and resolves when it runs and its sockets accept connections.
 *
 * @throws {SandboxError} `HOST_UNAVAILABLE` with the launcher's own words as the cause.
 */
export async function startJailed(
  options: JailOptions,
  qemuArguments: readonly string[],
): Promise<JailedProcess> {
  const [program, ...words] = [...options.network, options.launcher];
  const child = spawn(
    program,
    [...words, ...jailArguments(options), "--", qemuProgram, ...qemuArguments],
    {
      cwd: "/",
      env: {},
      // A Ctrl-C in the server's terminal must not reach the machines; the server ends them in order.
      detached: true,
      stdio: ["ignore", options.logFd, options.logFd, "pipe", options.stateFd ?? "ignore"],
    },
  );
  const ended = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ?? `exit status ${code}`));
    child.once("error", (error) => resolve(error.message));
  });
  const complaint = await readAll(child.stdio[inherited.ready] as Readable);
  if (complaint === "" && child.pid !== undefined && child.exitCode === null) {
    return own(child, child.pid, ended);
  }
  const how = await ended;
  throw new SandboxError("HOST_UNAVAILABLE", undefined, {
    cause: new Error(`the jail did not start: ${complaint.trim() || how}`),
  });
}

function own(child: ChildProcess, pid: number, ended: Promise<string>): JailedProcess {
  return {
    pid,
    ended,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

function jailArguments(options: JailOptions): string[] {
  const flag = (name: string, values: readonly string[]): string[] =>
    values.flatMap((value) => [name, value]);
  const view = ({ source, target }: View): string => `${source}:${target}`;
  return [
    ...["--root", options.root],
    ...flag(
      "--bind-ro",
      [qemuProgram, ...qemuFiles].map((path) => `${path}:${path}`),
    ),
    ...flag("--link", ["usr/lib64:/lib64", "usr/lib:/lib"]),
    ...flag("--bind-ro", options.views.filter(({ writable }) => writable !== true).map(view)),
    ...flag("--bind", options.views.filter(({ writable }) => writable === true).map(view)),
    ...flag("--device", ["/dev/null", "/dev/urandom", ...options.devices]),
    ...flag(
      "--listen",
      options.sockets.map(({ fd, path }) => `${fd}:${path}`),
    ),
    ...flag("--cgroup", options.cgroupEntrances),
    ...["--uid", String(options.uid), "--gid", String(options.uid)],
    ...["--ready", String(inherited.ready)],
  ];
}

/** The device that a machine needs for `acceleration`. */
export function devicesFor(acceleration: "kvm" | "tcg"): readonly string[] {
  return acceleration === "kvm" ? [kvmDevice] : [];
}

async function readAll(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
