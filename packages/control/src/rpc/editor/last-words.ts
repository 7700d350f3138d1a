import type { GuestProcess } from "@skerry/protocol";

import { untilAborted } from "../lane.ts";

const wordsBytesMax = 1_024;

/** The end of what a process that starts no more has written to stderr: one line, without what a terminal would act on. */
export async function lastWords(
  { stderr }: Pick<GuestProcess, "stderr">,
  signal: AbortSignal,
): Promise<string> {
  let words = Buffer.alloc(0);
  const read = async (): Promise<void> => {
    for await (const piece of stderr ?? []) {
      words = Buffer.concat([words, piece]).subarray(-wordsBytesMax);
    }
  };
  await untilAborted(read(), signal);
  const text = words
    .toString("utf8")
    .replaceAll(/[^\P{C}\n]/gu, "")
    .trim()
    .replaceAll(/\s*\n\s*/g, " | ");
  return text === "" ? "it said nothing" : text;
}
