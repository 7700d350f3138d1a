import type { SandboxInput } from "@skerry/protocol";

import { ChildProcess, type ChildProcessStatus } from "./child-process.ts";
import type { Signal } from "./kill-controller.ts";
import type { Rpc } from "./rpc.ts";

/** How VS Code is to be in a sandbox. */
export interface VsCodeOptions {
  /** Variables on top of the sandbox's, for the editor and its terminals. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Ids of extensions, or paths of `.vsix` files in the sandbox. One that cannot be installed is named on `stderr`. */
  readonly extensions?: readonly string[] | undefined;
  /** The address of a page to show in a window beside the editor. */
  readonly preview?: string | undefined;
  /** Whether to leave out the button "Stop VS Code Instance". Default `false`. */
  readonly disableStopButton?: boolean | undefined;
  /** What its `settings.json` is to have. */
  readonly editorSettings?: Readonly<Record<string, unknown>> | undefined;
}

/** VS Code that runs in a sandbox. Disposing of it ends it. */
export class VsCode implements AsyncDisposable {
  /** It is good for one opening: whoever opens it first may use the editor from that browser on, and nobody else. */
  readonly url: string;
  /** What it writes, mostly its log. */
  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What it complains of, extensions that could not be installed above all. */
  readonly stderr: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #process: ChildProcess;

  /** @internal Use `sandbox.exposeVscode()`. */
  constructor(url: string, process: ChildProcess, streams: VsCodeStreams) {
    this.url = url;
    this.stdout = streams.stdout;
    this.stderr = streams.stderr;
    this.#process = process;
  }

  /** Resolves when it has ended. @throws {ConnectionError} when the connection ends first. */
  get status(): Promise<ChildProcessStatus> {
    return this.#process.status;
  }

  /** Sends it a signal, as {@link ChildProcess.kill}. @param signal Default `"SIGTERM"`. */
  async kill(signal?: Signal): Promise<void> {
    await this.#process.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.status;
  }
}

interface VsCodeStreams {
  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly stderr: ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** @internal Starts it, and has `expose` give its port an address. */
export async function startVsCode(
  rpc: Rpc,
  path: string,
  { env, extensions, preview, disableStopButton, editorSettings }: VsCodeOptions,
  expose: (port: number) => Promise<string>,
): Promise<VsCode> {
  const params: SandboxInput<"vscode"> = {
    ...{ path, preview, disableStopButton },
    env: env && { ...env },
    extensions: extensions && [...extensions],
    editorSettings: editorSettings && { ...editorSettings },
  };
  const started = await rpc.call("vscode", params);
  const streams: VsCodeStreams = {
    stdout: rpc.streams.take(started.stdoutStreamId),
    stderr: rpc.streams.take(started.stderrStreamId),
  };
  const none = { stdin: null, stdout: null, stderr: null, copies: [], isKept: false };
  const child = new ChildProcess(rpc, started.pid, none);
  try {
    return new VsCode(await expose(started.port), child, streams);
  } catch (error) {
    await child.kill();
    throw error;
  }
}
