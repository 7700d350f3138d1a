import type { EndReason } from "../store/store.ts";

/**
 * The life of a sandbox:
 *
 *              started              kill · owner lost · time over
 *   creating ───────────▶ running ─ machine gone · shutdown ─▶ stopping ──▶ stopped
 *      │  │                                                       ▲  disposed  ▲
 *      │  └── kill · owner lost · shutdown (aborts the creation) ─┘            │
 *      └───── failed ──────────────────────────────────────────────────────────┘
 *
 *   running ── hand over, with a duration ──▶ stopped, here: its machine goes on
 *
 * `decide.ts` is the table behind the picture; `sandbox.ts` acts on it.
 */
export type SandboxState =
  | { readonly kind: "creating"; readonly lifetime: Lifetime }
  | { readonly kind: "running"; readonly lifetime: Lifetime }
  | { readonly kind: "stopping"; readonly reason: EndReason }
  | { readonly kind: "stopped"; readonly reason: EndReason };

/** How long a sandbox lives: as its creating connection, or until a time, come what may. */
export type Lifetime =
  | { readonly kind: "session" }
  | { readonly kind: "duration"; readonly stopAtMs: number };

/** What can happen to a sandbox, or be asked of it. */
export type SandboxRequest =
  | { readonly kind: "started" }
  | { readonly kind: "failed" }
  | { readonly kind: "connect" }
  | { readonly kind: "extend"; readonly stopAtMs: number }
  | { readonly kind: "kill" }
  /** The connection that created it is gone: closed, or silent for too long. */
  | { readonly kind: "owner-lost"; readonly silent: boolean }
  | { readonly kind: "time" }
  | { readonly kind: "gone" }
  | { readonly kind: "shutdown" }
  /** As `shutdown`, but a machine with a duration goes on, for the next process to take up. */
  | { readonly kind: "hand-over" }
  | { readonly kind: "disposed" };

/** What the actor has to do, in this order. */
export type SandboxEffect =
  /** Come back with `time` at this time; replaces an earlier one. */
  | { readonly kind: "arm"; readonly atMs: number }
  | { readonly kind: "disarm" }
  | { readonly kind: "abort-create" }
  | { readonly kind: "dispose" }
  | { readonly kind: "close-clients"; readonly code: number; readonly reason: string }
  | { readonly kind: "save-stop-at"; readonly stopAtMs: number }
  | { readonly kind: "save-stopped"; readonly reason: EndReason };
