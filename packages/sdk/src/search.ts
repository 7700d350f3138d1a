import { WalkEntry } from "@skerry/protocol";

import { RpcError } from "./errors.ts";
import type { Rpc } from "./rpc.ts";

export type { WalkEntry };

export interface WalkOptions {
  /** How many directories deep. Default: no limit. */
  readonly maxDepth?: number | undefined;
  /** Default `true`. */
  readonly includeFiles?: boolean | undefined;
  /** Default `true`. */
  readonly includeDirs?: boolean | undefined;
  /** Default `true`. */
  readonly includeSymlinks?: boolean | undefined;
  /** Whether to look behind symbolic links. Default `false`. */
  readonly followSymlinks?: boolean | undefined;
  /** With `followSymlinks`: whether what a link leads to is told by its own path. Default `true`. */
  readonly canonicalize?: boolean | undefined;
  /** Only paths that end so: `["ts"]`. */
  readonly exts?: readonly string[] | undefined;
  /** Only paths that one of these matches. */
  readonly match?: readonly RegExp[] | undefined;
  /** Neither paths that one of these matches, nor what is below them. */
  readonly skip?: readonly RegExp[] | undefined;
}

export interface ExpandGlobOptions {
  /** Where relative globs begin. Default: the home directory. */
  readonly root?: string | undefined;
  /** Globs of what is left out, with what is below it. */
  readonly exclude?: readonly string[] | undefined;
  /** Default `true`. */
  readonly includeDirs?: boolean | undefined;
  /** Default `false`. */
  readonly followSymlinks?: boolean | undefined;
  /** Default `true`. */
  readonly canonicalize?: boolean | undefined;
  /** Whether `!(a|b)` and its like mean something. Default `true`. */
  readonly extended?: boolean | undefined;
  /** Whether `**` means any number of directories. Default `true`. */
  readonly globstar?: boolean | undefined;
  /** Default `false`. */
  readonly caseInsensitive?: boolean | undefined;
}

/** @internal What a search finds, as it finds it. Ending the iteration ends the search. */
export async function* searchWith(
  rpc: Rpc,
  start: () => Promise<{ readonly streamId: number } | readonly WalkEntry[]>,
): AsyncGenerator<WalkEntry, void, undefined> {
  const found = await start();
  if (!("streamId" in found)) return yield* found;
  for await (const chunk of rpc.streams.take(found.streamId)) yield entryOf(chunk);
}

/** One chunk is one entry. */
function entryOf(chunk: Uint8Array): WalkEntry {
  try {
    return WalkEntry.parse(JSON.parse(new TextDecoder().decode(chunk)));
  } catch (cause) {
    throw new RpcError(
      "INVALID_ANSWER",
      "The server tells of a file in a way that makes no sense.",
      {
        cause,
      },
    );
  }
}

/** @internal */
export function patternOf({ source, flags }: RegExp): { source: string; flags: string } {
  return { source, flags };
}
