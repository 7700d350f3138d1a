import { limits, thrown, type SandboxParams } from "@skerry/protocol";

import { CallFailure, invalidParams, throwing } from "../failures.ts";
import { untilAborted } from "../lane.ts";
import { pieces } from "../streams/incoming-stream.ts";
import type { CallContext, Handlers } from "./handler.ts";

/** Whole files, in and out. */
export const fileContentHandlers: Handlers<
  "readFile" | "readTextFile" | "writeFile" | "writeTextFile"
> = {
  async readFile({ path, abortId }, context) {
    context.call.abortId = abortId ?? null;
    return (await readWhole(path, context)).toString("base64");
  },
  async readTextFile({ path, abortId }, context) {
    context.call.abortId = abortId ?? null;
    return (await readWhole(path, context)).toString("utf8"); // U+FFFD for what is not UTF-8
  },
  async writeFile({ content, ...rest }, context) {
    const bytes = content === undefined ? undefined : Buffer.from(content, "base64");
    return await write({ ...rest, content: bytes }, context);
  },
  async writeTextFile({ content, ...rest }, context) {
    const bytes = content === undefined ? undefined : Buffer.from(content, "utf8");
    return await write({ ...rest, content: bytes }, context);
  },
};

/**
 * A whole file in memory. Only one great file at a time is held for a connection, until its answer
 * has been sent; the guest sends the others when it is their turn.
 */
async function readWhole(path: string, { call, guest, signal, greatFiles }: CallContext) {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let isGreat = false;
  for await (const chunk of await guest.readFile(path, signal)) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > limits.readFileBytesMax) throw tooGreat(path);
    if (bytes > limits.readFileFreeBytesMax && !isGreat) {
      isGreat = true;
      call.held.use(await greatFiles.enter(signal));
    }
  }
  return Buffer.concat(chunks, bytes);
}

function tooGreat(path: string): CallFailure {
  const most = limits.readFileBytesMax / 1_048_576;
  const message = `'${path}' has more than ${most} MiB, too much for one message; stream it, as with stdout of \`cat\``;
  return throwing("RangeError", message, "EFBIG");
}

type Write = Omit<SandboxParams<"writeFile">, "content"> & { content: Buffer | undefined };

async function write(params: Write, context: CallContext): Promise<null> {
  const { path, abortId, content, contentStreamId, options } = params;
  context.call.abortId = abortId ?? null;
  const target = { path, ...options };
  if (content !== undefined) {
    await context.guest.writeFile(target, pieces(content), context.signal);
  } else if (contentStreamId !== undefined) {
    await writeStream(target, contentStreamId, context);
  } else {
    throw invalidParams([{ path: ["content"], message: "content or contentStreamId is required" }]);
  }
  return null;
}

async function writeStream(
  target: { readonly path: string },
  streamId: number,
  { guest, incoming, signal }: CallContext,
): Promise<void> {
  const stream = incoming.claim(streamId);
  try {
    await untilAborted(guest.writeFile(target, stream.read(), signal), signal);
  } finally {
    incoming.release(stream, thrown("Error", `the write to '${target.path}' has ended`, null));
  }
  // The file holds what came before the client gave up, and the caller learns that it is not whole.
  if (stream.failure !== null) throw new CallFailure({ kind: "thrown", error: stream.failure });
}
