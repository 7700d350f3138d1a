import type { Context } from "./context.ts";

/** What takes longer than this shows how far it is. */
const quietMs = 2_000;
const everyMs = 200;

/** One line that changes, on a terminal. */
export interface Progress<T> {
  show(at: T): void;
  /** Takes the line away. */
  clear(): void;
}

/** Shows how far something is, when somebody watches and it takes its time. */
export function progressOf<T>(context: Context, textOf: (at: T) => string): Progress<T> {
  const { stderr, now, output } = context;
  const isWatched = "isTTY" in stderr && stderr.isTTY === true && !output.isQuiet;
  const startedMs = now();
  let shownMs = 0;
  let isShown = false;
  return {
    show(at) {
      const nowMs = now();
      if (!isWatched || nowMs - startedMs < quietMs || nowMs - shownMs < everyMs) return;
      shownMs = nowMs;
      isShown = true;
      stderr.write(`\r\u001b[K${textOf(at)}`);
    },
    clear() {
      if (isShown) stderr.write("\r\u001b[K");
      isShown = false;
    },
  };
}
