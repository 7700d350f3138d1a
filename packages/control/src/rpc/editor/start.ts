import {
  editorCommand,
  limits,
  type EditorRequest,
  type Guest,
  type GuestProcess,
  type SandboxParams,
  type SandboxResult,
  type SpawnParams,
} from "@skerry/protocol";

import { invalidParams, throwing } from "../failures.ts";
import type { CallContext } from "../handlers/handler.ts";
import { untilAborted } from "../lane.ts";
import { launch } from "../launch.ts";
import { lastWords } from "./last-words.ts";
import { readPort } from "./ready.ts";

/** What the caller asks for, with variables that may go into the machine. */
type EditorParams = SandboxParams<"vscode">;

/** An editor that takes connections. */
interface Running {
  readonly child: GuestProcess;
  readonly port: number;
}

/**
 * Starts an editor and waits until it takes connections.
 *
 * @throws {CallFailure} when it ends before that, with the last that it said.
 */
export async function startEditor(
  params: EditorParams,
  context: CallContext,
): Promise<SandboxResult<"vscode">> {
  const { guest, signal } = context;
  const request = await requestOf(params, guest, signal);
  await guest.call("editor.mount", {}, signal);
  let running: Running | null = null;
  const { answer } = await launch(
    { stdinStreamId: undefined, stdout: "piped", stderr: "piped" },
    { command: "vscode", args: [request.folder] },
    async (stdin) => {
      running = await start(request, { env: params.env, stdin }, context);
      return running.child;
    },
    context,
  );
  return describe(running, answer);
}

function describe(
  running: Running | null,
  { pid, stdoutStreamId, stderrStreamId }: SandboxResult<"spawn">,
): SandboxResult<"vscode"> {
  if (running === null || stdoutStreamId === null || stderrStreamId === null) {
    throw new Error("launch() did not do what it was told");
  }
  return { pid, port: running.port, stdoutStreamId, stderrStreamId };
}

async function requestOf(
  { path, extensions = [], disableStopButton, preview, editorSettings = {} }: EditorParams,
  guest: Guest,
  signal: AbortSignal,
): Promise<EditorRequest> {
  if (Buffer.byteLength(JSON.stringify(editorSettings)) > limits.editorSettingsBytesMax) {
    const message = `more than ${limits.editorSettingsBytesMax} bytes as JSON`;
    throw invalidParams([{ path: ["editorSettings"], message }]);
  }
  const folder = await guest.call("fs.realPath", { path }, signal);
  if (folder === "/") throw throwing("TypeError", "Path cannot be root", null);
  const { kind } = await guest.call("fs.stat", { path: folder }, signal);
  if (kind !== "directory") {
    const message = `Not a directory (os error 20): vscode '${path}'`;
    throw throwing("NotADirectory", message, "ENOTDIR");
  }
  return {
    ...{ folder, extensions, settings: editorSettings, preview: preview ?? null },
    stopButton: disableStopButton !== true,
  };
}

async function start(
  request: EditorRequest,
  { env, stdin }: Pick<SpawnParams, "env" | "stdin">,
  { guest, signal }: CallContext,
): Promise<Running> {
  const child = await guest.spawn({
    command: editorCommand.command,
    args: [...editorCommand.args, JSON.stringify(request)],
    ...{ env, cwd: request.folder, stdin, stdout: "piped", stderr: "piped", channel: true },
  });
  try {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(limits.editorStartMs)]);
    const port = await untilAborted(readPort(guest, child.pid, deadline), deadline);
    if (port !== null) return { child, port };
    end(child, guest);
    throw throwing("Error", `The editor did not start: ${await lastWords(child, deadline)}`, null);
  } catch (error) {
    end(child, guest);
    child.detach();
    throw error;
  }
}

function end({ pid }: GuestProcess, guest: Guest): void {
  guest.call("kill", { pid, signal: "SIGKILL" }).catch(() => {}); // it may have ended
}
