import type { ByteStream } from "@skerry/protocol";

/** How much of a line is looked at: Deno's own lines are short, a program's may have no end. */
const lineMax = 1_024;

/**
 * What a watched program writes to stderr, unchanged; `onRestart` is called when Deno says there that
 * it starts over. It says so nowhere else.
 */
export async function* tellRestarts(
  stderr: ByteStream,
  onRestart: () => void,
): AsyncGenerator<Uint8Array, void, void> {
  let line = "";
  for await (const chunk of stderr) {
    const [first = "", ...rest] = Buffer.from(chunk).toString("latin1").split("\n");
    const lines = [line + first.slice(0, lineMax), ...rest];
    line = (lines.pop() ?? "").slice(0, lineMax);
    for (const whole of lines) if (isRestart(whole)) onRestart();
    yield chunk;
  }
}

function isRestart(line: string): boolean {
  // eslint-disable-next-line no-control-regex -- colours are control characters
  const plain = line.slice(0, lineMax).replaceAll(/\u001B\[[\d;]*m/g, "");
  return /^Watcher\s+(?:Restarting!|File change detected! Restarting!)/.test(plain);
}
