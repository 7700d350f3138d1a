import process from "node:process";
import type { Writable } from "node:stream";

/** Where a stream of the sandbox can be copied to. */
export type StandardStream = "stdout" | "stderr";

/**
 * Copies a stream of the sandbox to this process' own. Ends when the stream ends, or when nobody
 * reads this process' output any more.
 */
export async function copyToStandard(
  from: ReadableStream<Uint8Array>,
  name: StandardStream,
): Promise<void> {
  await copyTo(from, process[name]);
}

/** One line of debug output. */
export function debugLine(text: string): void {
  process.stderr.write(`[skerry] ${text}\n`);
}

/** @internal */
export async function copyTo(from: ReadableStream<Uint8Array>, to: Writable): Promise<void> {
  for await (const chunk of from) {
    if (to.destroyed || !to.writable) return; // leaving the loop tells the sandbox to stop sending
    if (!to.write(chunk)) await roomIn(to);
  }
}

function roomIn(stream: Writable): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const events = ["drain", "close", "error"] as const;
  const done = (): void => {
    for (const event of events) stream.off(event, done);
    resolve();
  };
  for (const event of events) stream.on(event, done);
  return promise;
}
