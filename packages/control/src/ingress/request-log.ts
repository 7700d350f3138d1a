import { limits } from "@skerry/protocol";

import type { Clock } from "../clock.ts";
import type { Sandbox } from "../sandboxes/sandbox.ts";

/** One request that is over. */
export interface FinishedRequest {
  readonly name: string;
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  readonly status: number;
  readonly durationMs: number;
}

const minuteMs = 60_000;

/**
 * Tells the event log of a sandbox of requests, not more of them than
 * `limits.ingressEventsPerMinuteMax`: whoever knows a name may send as many as they like, and must not
 * drive out of the log what else is in it. The next that is told says how many were not.
 */
export class RequestLog {
  readonly #sandbox: Pick<Sandbox, "record">;
  readonly #clock: Pick<Clock, "now">;
  #minuteEndsAtMs = 0;
  #told = 0;
  #untold = 0;

  constructor(sandbox: Pick<Sandbox, "record">, clock: Pick<Clock, "now">) {
    this.#sandbox = sandbox;
    this.#clock = clock;
  }

  finished(request: FinishedRequest): void {
    const now = this.#clock.now();
    if (now >= this.#minuteEndsAtMs) {
      this.#minuteEndsAtMs = now + minuteMs;
      this.#told = 0;
    }
    if (this.#told >= limits.ingressEventsPerMinuteMax) {
      this.#untold++;
      return;
    }
    this.#told++;
    const untold = this.#untold === 0 ? {} : { untold: this.#untold };
    this.#untold = 0;
    this.#sandbox.record("http-request", { ...request, ...untold });
  }
}
