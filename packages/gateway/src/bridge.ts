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
    quietly(child.stdout && send(reader(child.stdout), channel, channel)),
    quietly(child.stderr && send(reader(child.stderr), channel.stderr, channel)),
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
  const sending = send(output, channel, channel).then(() => channel.eof());
  await Promise.all([quietly(pipeline(channel, writer(made.writable))), quietly(sending)]);
  channel.close();
}

/**
 * Sends all of `output`; resolves when the last of it is on its way. The library closes a server's channel
 * when its stream ends, so ours never ends: what the client still sends is wanted.
 */
async function send(output: Readable, to: Writable, channel: Channel): Promise<void> {
  await pipeline(output, to, { end: false });
  // What was written before this has gone when this has; on a channel that is closed nothing goes.
  const { promise: flushed, resolve } = Promise.withResolvers<void>();
  channel.once("close", resolve);
  to.write(Buffer.alloc(0), () => resolve());
  await flushed;
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
