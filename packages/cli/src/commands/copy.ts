import { Sandbox, type TransferProgress } from "@skerry/sdk";

import { copyAll, type Connect } from "../copy/copy.ts";
import { operandOf } from "../copy/operand.ts";
import { UsageError } from "../failure.ts";
import { progressOf } from "../progress.ts";
import { serverOptions } from "../server-options.ts";
import { sizeText } from "../shape.ts";
import type { Verb } from "../verb.ts";

/** Copies files between this machine and sandboxes, and between sandboxes. */
export const copy: Verb = {
  name: "copy",
  aliases: ["cp"],
  usage: "SOURCE… TARGET",
  about: "copy files and directories; ID:PATH is a path of a sandbox, and may be a glob",
  options: {},
  async run(args, context) {
    const operands = args.positionals.map(operandOf);
    const target = operands.pop();
    if (target === undefined || operands.length === 0) {
      throw new UsageError("a source and a target are needed");
    }
    const { output } = context;
    const server = await serverOptions(args, context);
    const sandboxes = new Map<string, Promise<Sandbox>>();
    const connect: Connect = (id) => {
      const known = sandboxes.get(id) ?? Sandbox.connect(id, server);
      sandboxes.set(id, known);
      return known;
    };
    const stopped = new AbortController();
    const stopSignals = context.onSignal(() => stopped.abort());
    const progress = progressOf(
      context,
      ({ files, bytes }: TransferProgress) => `${files} files, ${sizeText(bytes)}`,
    );
    try {
      const result = await copyAll(operands, target, connect, {
        signal: stopped.signal,
        onProgress: (at) => progress.show(at),
        onSkip: ({ path, reason }) => output.note(`left out: ${path}: ${reason}`),
      });
      progress.clear();
      if (args.has("json")) output.json(result);
      else output.note(`${result.files} files, ${sizeText(result.bytes)}`);
      return 0;
    } catch (error) {
      if (stopped.signal.aborted) return 130;
      throw error;
    } finally {
      progress.clear();
      stopSignals();
      for (const opened of sandboxes.values()) {
        await opened.then((sandbox) => sandbox.close()).catch(() => {}); // its error is told already
      }
    }
  },
};
