/**
 * Every bound on the wire and in memory, in one place. The unit is the last word of each name.
 * Operators configure the ones that `control` and `host` read from their configuration; the values
 * here are the defaults and the hard limits of the protocol.
 */
export const limits = {
  /** Guest memory a sandbox may ask for. */
  memoryMinMiB: 768,
  memoryMaxMiB: 4096,
  memoryDefaultMiB: 1280,
  vcpuCount: 2,
  diskMiB: 10_240,

  /** Labels of a sandbox (the official client's documented limits). */
  labelCountMax: 5,
  labelKeyBytesMax: 64,
  labelValueBytesMax: 128,

  /** Longest life a duration sandbox may be given at once. */
  lifetimeMaxMs: 30 * 60_000,
  /** A client socket that sent nothing for this long is dead (the client pings every 2 s). */
  clientSilenceMaxMs: 15_000,

  /** The config header of `create`, base64. */
  createHeaderBytesMax: 1_048_576,
  /** A REST request body. */
  requestBodyBytesMax: 1_048_576,
  /** One WebSocket message from a client. The official client sends whole files in one message. */
  clientMessageBytesMax: 96 * 1_048_576,
  /** Calls of one connection that run at the same time. */
  clientCallsMax: 1_024,
  /** Open byte streams of one connection, per direction. */
  clientStreamsMax: 1_024,
  /** Bytes waiting to be sent to one client before its streams are paused. */
  clientBacklogBytesMax: 1_048_576,
  /** Bytes of one incoming stream that wait for the guest before the socket is paused. */
  inputBacklogBytesMax: 1_048_576,
  /** Bytes of one incoming stream whose reader does not read before the stream is cancelled. */
  inputStuckBytesMax: 16 * 1_048_576,
  /** A whole file that `readFile` or `readTextFile` may return in one message. */
  readFileBytesMax: 64 * 1_048_576,

  /** Guest frames, see docs/design/0002-guest-protocol.md. */
  guestJsonBytesMax: 4 * 1_048_576,
  guestHelloBytesMax: 1_024,
  guestDataBytesMax: 65_536,
  guestWindowBytes: 262_144,
  guestResyncBytesMax: 1_048_576,

  /** Waits. */
  bootMs: 90_000,
  restoreMs: 30_000,
  guestCallMs: 30_000,
  createMs: 120_000,
  disposeMs: 10_000,
} as const;
