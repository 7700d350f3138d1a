import { streamNotifications, thrown, ThrownError } from "@skerry/protocol";

import type { IncomingStreams } from "./streams/incoming.ts";
import type { OutgoingStreams } from "./streams/outgoing.ts";

/**
 * Handles a message that wants no answer. Answers false when it names a stream in a way that cannot
 * be understood: going on without it would corrupt the stream in silence.
 */
export function handleNotification(
  method: string,
  params: unknown,
  incoming: IncomingStreams,
  outgoing: OutgoingStreams,
): boolean {
  switch (method) {
    case "$sandbox.stream.start": {
      const { data } = streamNotifications[method].safeParse(params);
      if (data !== undefined) incoming.start(data.streamId);
      return data !== undefined;
    }
    case "$sandbox.stream.enqueue": {
      const { data } = streamNotifications[method].safeParse(params);
      if (data !== undefined) incoming.enqueue(data.streamId, Buffer.from(data.data, "base64"));
      return data !== undefined;
    }
    case "$sandbox.stream.end": {
      const { data } = streamNotifications[method].safeParse(params);
      if (data !== undefined) incoming.end(data.streamId);
      return data !== undefined;
    }
    case "$sandbox.stream.error": {
      const { data } = streamNotifications[method].safeParse(params);
      if (data !== undefined) incoming.fail(data.streamId, errorOf(data.error));
      return data !== undefined;
    }
    case "$sandbox.stream.cancel": {
      const { data } = streamNotifications[method].safeParse(params);
      if (data !== undefined) outgoing.cancel(data.streamId);
      return data !== undefined;
    }
    default:
      return true; // a newer client may have more to say
  }
}

/** The official clients send an error's fields (JavaScript) or its text (Python). */
function errorOf(error: unknown): ThrownError {
  if (typeof error === "string") return thrown("Error", error, null);
  const parsed = ThrownError.safeParse(error);
  return parsed.success ? parsed.data : thrown("Error", "The stream failed.", null);
}
