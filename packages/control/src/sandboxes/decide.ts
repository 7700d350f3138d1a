import { closeCode, type ErrorCode } from "@skerry/protocol";

import type { EndReason } from "../store/store.ts";
import type { Lifetime, SandboxEffect, SandboxRequest, SandboxState } from "./lifecycle.ts";

/** What comes of a request: the next state and what is to be done for it, or a refusal. */
export type Decision =
  | { readonly kind: "go"; readonly next: SandboxState; readonly effects: readonly SandboxEffect[] }
  | { readonly kind: "refuse"; readonly code: ErrorCode; readonly detail?: string };

/** What a decision depends on beside state and request. */
export interface Situation {
  readonly nowMs: number;
  readonly lifetimeMaxMs: number;
}

/** What a request means for a sandbox in `state`. Pure: the actor carries the effects out. */
export function decide(
  state: SandboxState,
  request: SandboxRequest,
  situation: Situation,
): Decision {
  switch (state.kind) {
    case "creating":
      return decideCreating(state.lifetime, request);
    case "running":
      return decideRunning(state.lifetime, request, situation);
    case "stopping":
      return decideStopping(state.reason, request);
    case "stopped":
      return decideStopped(state, request);
  }
}

/** Why clients are told that their socket closes, and with which code. */
export const farewell: Readonly<
  Record<EndReason, { readonly code: number; readonly reason: string }>
> = {
  killed: { code: closeCode.goingAway, reason: "The sandbox was killed." },
  "session-closed": { code: closeCode.goingAway, reason: "The sandbox ended with its session." },
  "session-silent": {
    code: closeCode.goingAway,
    reason: "The session of the sandbox went silent.",
  },
  expired: { code: closeCode.goingAway, reason: "The sandbox reached the end of its lifetime." },
  crashed: { code: closeCode.internal, reason: "The machine of the sandbox failed." },
  shutdown: { code: closeCode.goingAway, reason: "The server is stopping." },
  lost: { code: closeCode.internal, reason: "The machine of the sandbox is lost." },
  failed: { code: closeCode.internal, reason: "The sandbox could not be created." },
};

function decideCreating(lifetime: Lifetime, request: SandboxRequest): Decision {
  switch (request.kind) {
    case "started":
      return go({ kind: "running", lifetime }, armFor(lifetime));
    case "failed":
      return go({ kind: "stopped", reason: "failed" });
    case "kill":
      return abortCreation("killed");
    case "owner-lost":
      return abortCreation(request.silent ? "session-silent" : "session-closed");
    case "shutdown":
    case "hand-over":
      return abortCreation("shutdown");
    case "connect":
    case "extend":
      return { kind: "refuse", code: "SANDBOX_NOT_FOUND" }; // nobody can know its id yet
    case "gone":
      return abortCreation("crashed");
    case "time":
    case "disposed":
      return go({ kind: "creating", lifetime });
  }
}

function decideRunning(
  lifetime: Lifetime,
  request: SandboxRequest,
  situation: Situation,
): Decision {
  switch (request.kind) {
    case "connect":
      return go({ kind: "running", lifetime });
    case "extend":
      return extend(lifetime, request.stopAtMs, situation);
    case "kill":
      return stop("killed");
    case "owner-lost":
      if (lifetime.kind === "duration") return go({ kind: "running", lifetime });
      return stop(request.silent ? "session-silent" : "session-closed");
    case "time":
      if (lifetime.kind === "duration" && lifetime.stopAtMs <= situation.nowMs) {
        return stop("expired");
      }
      return go({ kind: "running", lifetime }, armFor(lifetime)); // the timer was early
    case "gone":
      return stop("crashed");
    case "shutdown":
      return stop("shutdown");
    case "hand-over":
      return lifetime.kind === "duration" ? handOver() : stop("shutdown");
    case "started":
    case "failed":
    case "disposed":
      return go({ kind: "running", lifetime });
  }
}

/**
 * An extension never shortens a life, and gives at most the longest lifetime from now. A session
 * sandbox that is extended becomes a duration sandbox: whoever asks for a time wants it to live
 * until then, whatever happens to the connection.
 */
function extend(lifetime: Lifetime, askedMs: number, situation: Situation): Decision {
  const { nowMs, lifetimeMaxMs } = situation;
  if (!(askedMs > nowMs)) {
    return { kind: "refuse", code: "LIFETIME_OUT_OF_RANGE", detail: "stop_at_ms is in the past" };
  }
  const most = Math.min(askedMs, nowMs + lifetimeMaxMs);
  const stopAtMs = lifetime.kind === "duration" ? Math.max(lifetime.stopAtMs, most) : most;
  return go({ kind: "running", lifetime: { kind: "duration", stopAtMs } }, [
    { kind: "save-stop-at", stopAtMs },
    { kind: "arm", atMs: stopAtMs },
  ]);
}

function decideStopping(reason: EndReason, request: SandboxRequest): Decision {
  switch (request.kind) {
    case "started": // it came up although its creation was aborted
      return go({ kind: "stopping", reason }, [{ kind: "dispose" }]);
    case "failed":
    case "disposed":
      return go({ kind: "stopped", reason });
    case "connect":
    case "extend":
      return { kind: "refuse", code: "SANDBOX_NOT_FOUND" };
    case "kill":
    case "owner-lost":
    case "time":
    case "gone":
    case "shutdown":
    case "hand-over":
      return go({ kind: "stopping", reason });
  }
}

function decideStopped(state: SandboxState, request: SandboxRequest): Decision {
  const isAsking =
    request.kind === "connect" || request.kind === "extend" || request.kind === "kill";
  return isAsking ? { kind: "refuse", code: "SANDBOX_NOT_FOUND" } : go(state);
}

function stop(reason: EndReason): Decision {
  return go({ kind: "stopping", reason }, [
    { kind: "disarm" },
    { kind: "save-stopped", reason }, // first: a restart now must not bring it back
    { kind: "close-clients", ...farewell[reason] },
    { kind: "dispose" },
  ]);
}

/** For the store it still runs, which is how the next process knows that it is wanted. */
function handOver(): Decision {
  return go({ kind: "stopped", reason: "shutdown" }, [
    { kind: "disarm" },
    { kind: "close-clients", ...farewell.shutdown },
  ]);
}

function abortCreation(reason: EndReason): Decision {
  return go({ kind: "stopping", reason }, [{ kind: "abort-create" }]);
}

function armFor(lifetime: Lifetime): readonly SandboxEffect[] {
  return lifetime.kind === "duration" ? [{ kind: "arm", atMs: lifetime.stopAtMs }] : [];
}

function go(next: SandboxState, effects: readonly SandboxEffect[] = []): Decision {
  return { kind: "go", next, effects };
}
