import { z } from "zod";

import { Bytes, StreamId } from "./values.ts";

/**
 * Notifications that carry byte streams, the same in both directions. Stream ids of the server are
 * unique in the whole server, not only in a connection: the official client keeps the streams of
 * all its sandboxes in one map.
 */
export const streamNotifications = {
  "$sandbox.stream.start": z.object({ streamId: StreamId }),
  "$sandbox.stream.enqueue": z.object({ streamId: StreamId, data: Bytes }),
  "$sandbox.stream.end": z.object({ streamId: StreamId }),
  "$sandbox.stream.error": z.object({ streamId: StreamId, error: z.unknown() }),
  "$sandbox.stream.cancel": z.object({ streamId: StreamId, reason: z.unknown() }),
} as const;

export type StreamNotification = keyof typeof streamNotifications;

/** The server tells that a process with `watch` starts over. */
export const watcherRestart = "$sandbox.deno.watcher.restart";
export const WatcherRestart = z.object({ watcherId: z.string() });
