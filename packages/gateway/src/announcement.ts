import { setTimeout as pause } from "node:timers/promises";

import { limits, type SshEndpoint } from "@skerry/protocol";
import type { Logger } from "pino";

import { RefusedByControl, type ControlClient } from "./control-client.ts";

/**
 * Tells control where the gateway is, and again every few seconds: a control that was started anew knows
 * it soon, and one whose gateway has gone forgets it. Resolves after the first time, also when control
 * was not reached. Disposing of the answer ends it.
 *
 * @throws {RefusedByControl} when the token is wrong at the first time.
 */
export async function keepAnnounced(
  control: ControlClient,
  endpoint: SshEndpoint,
  log: Logger,
): Promise<AsyncDisposable> {
  const ending = new AbortController();
  let isKnown = true; // so that the first failure is logged
  const tell = async (): Promise<void> => {
    const deadline = AbortSignal.timeout(limits.sshAnnounceMs);
    try {
      await control.announce(endpoint, AbortSignal.any([ending.signal, deadline]));
      if (!isKnown) log.info({}, "control reached again");
      isKnown = true;
    } catch (error) {
      if (ending.signal.aborted) return;
      if (isKnown) log.warn({ err: error }, "control not reached");
      isKnown = false;
      if (error instanceof RefusedByControl) throw error;
    }
  };
  await tell();
  const repeat = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      await pause(limits.sshAnnounceMs, undefined, { signal: ending.signal, ref: false });
      await tell().catch(() => {}); // refused: the log says so, and a token may be good again
    }
  };
  const ended = repeat().catch(() => {}); // the pause was cut short
  return {
    async [Symbol.asyncDispose]() {
      ending.abort();
      await ended;
    },
  };
}
