import { randomBytes } from "node:crypto";
import { posix } from "node:path";

import {
  denoEnvironment,
  denoRuntime,
  GuestError,
  type DenoExtension,
  type Guest,
  type GuestProcess,
  type SpawnParams,
} from "@skerry/protocol";

import { pieces } from "../streams/incoming-stream.ts";
import { denoOf, spawnDeno } from "./runtime.ts";

/** What Deno is to run. */
export type DenoProgram =
  | { readonly entrypoint: string; readonly watch: boolean | readonly string[] | undefined }
  | { readonly code: string; readonly extension: DenoExtension };

/** How it is to run. */
export type DenoRunOptions = Pick<SpawnParams, "env" | "clearEnv" | "cwd" | "stdin"> & {
  readonly stdout: SpawnParams["stdout"];
  readonly stderr: SpawnParams["stderr"];
  readonly args: readonly string[];
};

/** Starts Deno on a program. @throws {CallFailure} `NotFound` when the machine has no Deno. */
export async function runDeno(
  guest: Guest,
  program: DenoProgram,
  { args, ...options }: DenoRunOptions,
): Promise<GuestProcess> {
  const deno = denoOf(guest);
  const socket = deno.newSocket();
  await using stack = new AsyncDisposableStack();
  let entrypoint: string;
  if ("code" in program) {
    const file = await writeProgram(guest, program, options.cwd ?? ".");
    stack.defer(() => removeProgram(guest, file));
    entrypoint = file;
  } else {
    entrypoint = program.entrypoint;
  }
  const child = await spawnDeno(guest, {
    command: "deno",
    args: [
      ...["run", "--allow-all", ...watchFlags(program)],
      ...["--preload", `${denoRuntime}/http.js?socket=${encodeURIComponent(socket)}`],
      ...[entrypoint.startsWith("-") ? `./${entrypoint}` : entrypoint, ...args],
    ],
    ...options,
    env: { ...denoEnvironment, ...options.env },
  });
  deno.register(child, socket);
  const cleanUp = stack.move();
  // However it ends, and whoever is still there to hear of it.
  const ended = guest.call("wait", { pid: child.pid });
  void ended.then(
    () => cleanUp.disposeAsync(),
    () => {}, // the machine has gone, and the file with it
  );
  return child;
}

function watchFlags(program: DenoProgram): string[] {
  if ("code" in program || program.watch === undefined || program.watch === false) return [];
  if (program.watch === true) return ["--watch"];
  return [`--watch=${program.watch.join(",")}`, "--no-clear-screen"];
}

/**
 * Code becomes a file in the directory that it runs in, so that its imports and its project are those
 * of a program there; where that cannot be written, in a directory of its own.
 */
async function writeProgram(
  guest: Guest,
  { code, extension }: { readonly code: string; readonly extension: DenoExtension },
  cwd: string,
): Promise<string> {
  const name = `.skerry-run-${randomBytes(6).toString("hex")}.${extension}`;
  const content = Buffer.from(code, "utf8");
  const directory = await guest.call("fs.realPath", { path: cwd });
  const file = posix.join(directory, name);
  const write = async (path: string): Promise<string> => {
    await guest.writeFile({ path, createNew: true, mode: 0o600 }, pieces(content));
    return path;
  };
  try {
    return await write(file);
  } catch (error) {
    if (!(error instanceof GuestError && /^(EACCES|EPERM|EROFS)$/.test(error.errno ?? "")))
      throw error;
    const own = await guest.call("fs.makeTemp", { prefix: "run-", directory: true });
    return await write(posix.join(own, `main.${extension}`));
  }
}

/** One that is not there any more needs no removing. */
async function removeProgram(guest: Guest, file: string): Promise<void> {
  const isOwn = posix.basename(file).startsWith("main.");
  const path = isOwn ? posix.dirname(file) : file;
  await guest.call("fs.remove", { path, recursive: isOwn }).catch(() => {});
}
