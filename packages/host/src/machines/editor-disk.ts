import { limits, SandboxError } from "@skerry/protocol";
import type { Logger } from "pino";

import { fillEditor, ImageError } from "../images/index.ts";

/** The disk with the editor of all machines: filled once, when the first caller wants it. */
export class EditorDisk implements AsyncDisposable {
  readonly #path: string;
  readonly #log: Logger;
  readonly #end = new AbortController();
  #filling: Promise<void> | null = null;

  /** @param path `MachineImage.editor` */
  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
  }

  /**
   * Resolves when the disk is filled. The work goes on when a caller gives up, for the next one.
   *
   * @throws {SandboxError} `EDITOR_UNAVAILABLE`
   */
  async ready(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#filling === null) {
      this.#filling = this.#fill();
      this.#filling.catch(() => {}); // nobody may be left to hear of it
    }
    const { promise: abandoned, reject } = Promise.withResolvers<never>();
    const abandon = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", abandon, { once: true });
    try {
      await Promise.race([this.#filling, abandoned]);
    } finally {
      signal.removeEventListener("abort", abandon);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new SandboxError("SHUTTING_DOWN"));
    await this.#filling?.catch(() => {}); // whoever waited for it was told
  }

  async #fill(): Promise<void> {
    const started = performance.now();
    const deadline = AbortSignal.timeout(limits.editorBuildMs);
    const report = (step: string): void => this.#log.info({ step }, "building the editor");
    try {
      const signal = AbortSignal.any([this.#end.signal, deadline]);
      if (!(await fillEditor(this.#path, { report, signal }))) return;
      const durationMs = Math.round(performance.now() - started);
      this.#log.info({ durationMs }, "editor built");
    } catch (error) {
      this.#filling = null; // the next caller tries again
      if (this.#end.signal.aborted) throw error;
      this.#log.error({ err: error }, "the editor could not be built");
      throw new SandboxError("EDITOR_UNAVAILABLE", why(error, deadline), { cause: error });
    }
  }
}

function why(error: unknown, deadline: AbortSignal): string | undefined {
  if (deadline.aborted) return "building it took too long";
  return error instanceof ImageError ? error.message : undefined;
}
