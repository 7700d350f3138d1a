import { limits, type WalkEntry } from "@skerry/protocol";

import { throwing } from "../failures.ts";
import { expandGlob } from "../files/glob.ts";
import { fileInfo } from "../files/info.ts";
import { readFrom } from "../files/read-from.ts";
import { walk } from "../files/walk.ts";
import type { CallContext, Handlers } from "./handler.ts";

/** Methods whose answer is a stream of the connection's, which goes on after the call. */
export const fileSearchHandlers: Handlers<"walk" | "expandGlob" | "openRead"> = {
  walk: async (params, context) =>
    await tell(context, (signal) => walk(context.guest, params, signal)),
  expandGlob: async (params, context) =>
    await tell(context, (signal) => expandGlob(context.guest, params, signal)),
  async openRead({ path, offset = 0 }, { guest, outgoing, signal }) {
    outgoing.ensureRoom(1);
    const info = fileInfo(await guest.call("fs.stat", { path }, signal));
    const content = await readFrom(guest, path, offset, signal);
    return { streamId: outgoing.open(content), info };
  },
};

type Search = (signal: AbortSignal) => Promise<AsyncIterable<readonly WalkEntry[]>>;

/** A stream with one entry in each chunk, or the entries where the client knows no such stream. */
async function tell(
  { dialect, outgoing, signal }: CallContext,
  search: Search,
): Promise<WalkEntry[] | { streamId: number }> {
  if (dialect === "python") return await collect(await search(signal));
  outgoing.ensureRoom(1);
  // The search outlives the call; it ends with its stream, which stops when the client leaves.
  const unwanted = new AbortController();
  const entries = await search(AbortSignal.any([signal, unwanted.signal]));
  const stop = (): void => unwanted.abort(new Error("nobody wants to know more"));
  return { streamId: outgoing.open(documents(entries), { stop }) };
}

async function* documents(
  entries: AsyncIterable<readonly WalkEntry[]>,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const batch of entries) {
    for (const entry of batch) yield Buffer.from(JSON.stringify(entry));
  }
}

async function collect(entries: AsyncIterable<readonly WalkEntry[]>): Promise<WalkEntry[]> {
  const all: WalkEntry[] = [];
  for await (const batch of entries) {
    all.push(...batch);
    if (all.length > limits.walkEntriesMax) {
      const message = `More than ${limits.walkEntriesMax} entries, too many for one message; ask for less, or list them with a command`;
      throw throwing("RangeError", message, "EFBIG");
    }
  }
  return all;
}
