import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream, WritableStream } from "node:stream/web";

import type { ChildProcess, SandboxConnection } from "@skerry/sdk";
import type { Channel, ServerChannel } from "ssh2";

/** Joins a channel with a process until that has ended and all that it wrote is sent. Never rejects. */
export async function joinProcess(channel: ServerChannel, child: ChildProcess): Promise<void> {
  channel.on("error", () => {}); // `close` follows
  // Whoever hangs up does what closing a terminal does.
  channel.once("close", () => void child.kill("SIGHUP").catch(() => {}));
  void quietly(child.stdin === null ? null : pipeline(channel, writer(child.stdin)));
  const outputs = [
    quietly(child.stdout && pipeline(reader(child.stdout), channel, { end: false })),
    quietly(child.stderr && pipeline(reader(child.stderr), channel.stderr, { end: false })),
  ];
  try {
    const { code, signal } = await child.status;
    await Promise.all(outputs);
    if (signal === null) channel.exit(code);
    else channel.exit(signal.replace(/^SIG/, ""), false, "");
  } catch {
    // The sandbox has ended.
  }
  channel.end();
}

/** Joins a channel with a connection inside the sandbox, each way until its sender ends it. Never rejects. */
export async function joinConnection(channel: Channel, made: SandboxConnection): Promise<void> {
  channel.on("error", () => {}); // `close` follows
  const output = reader(made.readable);
  channel.once("close", () => output.destroy());
  await Promise.all([
    quietly(pipeline(channel, writer(made.writable))),
    quietly(pipeline(output, channel)),
  ]);
  channel.close();
}

// Node's types for web streams are its own; the streams are the same.
function reader(stream: globalThis.ReadableStream<Uint8Array>): Readable {
  return Readable.fromWeb(stream as ReadableStream);
}

function writer(stream: globalThis.WritableStream<Uint8Array>): Writable {
  return Writable.fromWeb(stream as WritableStream);
}

/** What breaks off on one side ends on the other by other ways. */
async function quietly(work: Promise<unknown> | null): Promise<void> {
  try {
    await work;
  } catch {
    // see above
  }
}
