import { ConnectionError } from "./errors.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Source = ReadableStream<Bytes>;

/** Asks for the rest of a stream, from so many bytes on; null when there is none. */
export type Rejoin = (offset: number) => Promise<Source | null>;

/**
 * Output that goes on when its connection drops: its reader notices nothing but the wait.
 *
 * @param rejoin Waits for another connection; throws when there will be none, or the rest is lost.
 */
export function keptStream(first: Source, rejoin: Rejoin): Source {
  let reader = first.getReader();
  let taken = 0;
  const next = async (): Promise<{ readonly value?: Bytes | undefined }> => {
    for (;;) {
      try {
        return await reader.read();
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error;
        const rest = await rejoin(taken);
        if (rest === null) return {};
        reader = rest.getReader();
      }
    }
  };
  const readable = new ReadableStream(
    {
      type: "bytes",
      pull: async (controller) => {
        const { value } = await next();
        if (value === undefined) {
          controller.close();
          controller.byobRequest?.respond(0); // a reader with a buffer of its own waits for this
          return;
        }
        taken += value.byteLength;
        controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  return readable as Source; // it hands on what the others give
}
