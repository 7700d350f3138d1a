import { parentPort, workerData } from "node:worker_threads";

import type { Pattern } from "./matcher.ts";

/** The other side of a `Matcher`: texts come in, a byte for each text and pattern goes out. */
const patterns = (workerData as readonly Pattern[]).map(
  ({ source, flags }) => new RegExp(source, flags),
);

parentPort?.on("message", (texts: readonly string[]) => {
  const marks = new Uint8Array(texts.length * patterns.length);
  let at = 0;
  for (const text of texts) {
    for (const pattern of patterns) {
      pattern.lastIndex = 0; // `g` and `y` remember
      marks[at++] = pattern.test(text) ? 1 : 0;
    }
  }
  parentPort?.postMessage(marks);
});
