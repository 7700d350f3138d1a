import { Worker } from "node:worker_threads";

import { limits } from "@skerry/protocol";

import { throwing } from "../failures.ts";
import { untilAborted } from "../lane.ts";
import { Slots } from "./slots.ts";

/** A regular expression of a client. */
export interface Pattern {
  readonly source: string;
  readonly flags: string;
}

/** Asks patterns about texts. */
export interface Matcher extends Disposable {
  /** For each text, which of the patterns match it. */
  match(texts: readonly string[]): Promise<readonly (readonly boolean[])[]>;
}

/** Matchers that may work at once in this process: one that is busy takes a whole processor. */
const workers = new Slots(4);

/**
 * A matcher in a thread of its own. A pattern of a client may take until the end of the world, so it
 * is never asked in the thread that serves the others, and its thread is ended when it takes too long.
 *
 * @throws {CallFailure} `SyntaxError` when a pattern is none.
 */
export async function openMatcher(
  patterns: readonly Pattern[],
  signal: AbortSignal,
): Promise<Matcher> {
  for (const { source, flags } of patterns) checkPattern(source, flags);
  const slot = await workers.enter(signal);
  const worker = new Worker(new URL("matcher-worker.ts", import.meta.url), {
    workerData: patterns,
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 8, stackSizeMb: 2 },
  });
  const gone = Promise.withResolvers<never>();
  gone.promise.catch(() => {}); // whoever waits has the rejection too
  worker.on("error", () => gone.reject(tooHard()));
  worker.on("exit", () => gone.reject(tooHard()));
  return {
    async match(texts) {
      if (texts.length === 0) return [];
      const { promise, resolve } = Promise.withResolvers<Uint8Array>();
      worker.once("message", resolve);
      worker.postMessage(texts);
      const deadline = AbortSignal.timeout(limits.patternMs);
      try {
        const marks = await untilAborted(
          Promise.race([promise, gone.promise]),
          AbortSignal.any([signal, deadline]),
        );
        return texts.map((_, at) =>
          patterns.map((_pattern, of) => marks[at * patterns.length + of] === 1),
        );
      } catch (error) {
        throw deadline.aborted && !signal.aborted ? tooHard() : error;
      }
    },
    [Symbol.dispose]() {
      void worker.terminate();
      slot[Symbol.dispose]();
    },
  };
}

function checkPattern(source: string, flags: string): void {
  try {
    new RegExp(source, flags);
  } catch (error) {
    throw throwing("SyntaxError", error instanceof Error ? error.message : String(error), null);
  }
}

function tooHard(): Error {
  const message = `The patterns took longer than ${limits.patternMs} ms for one directory; simplify them.`;
  return throwing("RangeError", message, null);
}
