import assert from "node:assert/strict";
import { suite, test } from "node:test";

import fc from "fast-check";

import { decide, type Decision } from "./decide.ts";
import type { SandboxEffect, SandboxRequest, SandboxState } from "./lifecycle.ts";

const lifetimeMaxMs = 1_000;
const startMs = 5_000;

const aRequest: fc.Arbitrary<SandboxRequest> = fc.oneof(
  fc.constantFrom<SandboxRequest>(
    { kind: "started" },
    { kind: "failed" },
    { kind: "connect" },
    { kind: "kill" },
    { kind: "time" },
    { kind: "gone" },
    { kind: "shutdown" },
    { kind: "hand-over" },
    { kind: "disposed" },
  ),
  fc.record({ kind: fc.constant("owner-lost" as const), silent: fc.boolean() }),
  fc.record({
    kind: fc.constant("extend" as const),
    stopAtMs: fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.constantFrom(NaN, Infinity)),
  }),
);

/** Requests, each some time after the one before. */
const aLife = fc.array(fc.tuple(aRequest, fc.nat(400)), { maxLength: 40 });

const aBirth: fc.Arbitrary<SandboxState> = fc
  .oneof(
    fc.constant({ kind: "session" } as const),
    fc.record({
      kind: fc.constant("duration" as const),
      stopAtMs: fc.integer({ min: startMs, max: startMs + lifetimeMaxMs }),
    }),
  )
  .map((lifetime) => ({ kind: "creating", lifetime }));

interface Step {
  readonly nowMs: number;
  readonly before: SandboxState;
  readonly request: SandboxRequest;
  readonly decision: Decision;
  readonly after: SandboxState;
}

function live(birth: SandboxState, life: readonly (readonly [SandboxRequest, number])[]): Step[] {
  let state = birth;
  let nowMs = startMs;
  return life.map(([request, laterMs]) => {
    nowMs += laterMs;
    const before = state;
    const decision = decide(before, request, { nowMs, lifetimeMaxMs });
    if (decision.kind === "go") state = decision.next;
    return { nowMs, before, request, decision, after: state };
  });
}

function holds(claim: (steps: readonly Step[], birth: SandboxState) => void): void {
  fc.assert(
    fc.property(aBirth, aLife, (birth, life) => claim(live(birth, life), birth)),
    { numRuns: 2_000 },
  );
}

const effectsOf = (steps: readonly Step[]): SandboxEffect[] =>
  steps.flatMap(({ decision }) => (decision.kind === "go" ? decision.effects : []));

const stopAtOf = (state: SandboxState): number | null =>
  "lifetime" in state && state.lifetime.kind === "duration" ? state.lifetime.stopAtMs : null;

suite("whatever happens to a sandbox", () => {
  test("its machine is disposed of at most twice, and always once it ran", () => {
    holds((steps) => {
      const effects = effectsOf(steps);
      const disposals = effects.filter(({ kind }) => kind === "dispose").length;
      const ran = steps.some(({ after }) => after.kind === "running");
      const isOver = steps.some(({ after }) => after.kind === "stopping");
      if (ran && isOver) assert.ok(disposals >= 1);
      assert.ok(disposals <= Math.max(1, steps.filter((s) => s.request.kind === "started").length));
    });
  });

  test("it never comes back from its end", () => {
    const order = ["creating", "running", "stopping", "stopped"];
    holds((steps) => {
      for (const { before, after } of steps) {
        assert.ok(order.indexOf(after.kind) >= order.indexOf(before.kind));
        if (before.kind === "stopping" && after.kind === "stopping") {
          assert.equal(after.reason, before.reason);
        }
      }
    });
  });

  test("once it is over, it asks for nothing and lets nobody in", () => {
    holds((steps) => {
      for (const { before, request, decision } of steps) {
        if (before.kind !== "stopped") continue;
        if (decision.kind === "go") assert.deepEqual(decision.effects, []);
        if (request.kind === "connect") assert.equal(decision.kind, "refuse");
      }
    });
  });

  test("the store hears of the end before its machine is let go", () => {
    holds((steps) => {
      for (const { before, decision } of steps) {
        if (before.kind !== "running" || decision.kind !== "go") continue;
        const kinds = decision.effects.map(({ kind }) => kind);
        if (kinds.includes("dispose")) {
          assert.ok(kinds.indexOf("save-stopped") < kinds.indexOf("dispose"));
        }
      }
    });
  });

  test("it is handed over with its machine running, or ended", () => {
    holds((steps) => {
      for (const { before, request, decision, after } of steps) {
        if (before.kind !== "running" || request.kind !== "hand-over") continue;
        const kinds = decision.kind === "go" ? decision.effects.map(({ kind }) => kind) : [];
        const isKept = before.lifetime.kind === "duration";
        assert.equal(after.kind, isKept ? "stopped" : "stopping");
        assert.equal(kinds.includes("dispose"), !isKept);
        assert.equal(kinds.includes("save-stopped"), !isKept);
        assert.ok(kinds.includes("close-clients"));
      }
    });
  });

  test("a kill ends it", () => {
    holds((steps) => {
      for (const { before, request, after } of steps) {
        if (request.kind !== "kill" || before.kind === "stopped") continue;
        assert.equal(after.kind, "stopping");
      }
    });
  });

  test("an extension never shortens its life and never grants more than the limit", () => {
    holds((steps) => {
      for (const { nowMs, before, request, after } of steps) {
        if (before.kind !== "running" || request.kind !== "extend") continue;
        const [had, has] = [stopAtOf(before), stopAtOf(after)];
        if (has === null) continue;
        assert.ok(Number.isFinite(has));
        assert.ok(has >= (had ?? 0));
        if (has !== had) assert.ok(has > nowMs && has <= nowMs + lifetimeMaxMs);
      }
    });
  });

  test("a sandbox with a time outlives its creator, one without does not", () => {
    holds((steps) => {
      for (const { before, request, after } of steps) {
        if (before.kind !== "running" || request.kind !== "owner-lost") continue;
        const expected = before.lifetime.kind === "duration" ? "running" : "stopping";
        assert.equal(after.kind, expected);
      }
    });
  });

  test("time ends it when its time has come and not before", () => {
    holds((steps) => {
      for (const { nowMs, before, request, after } of steps) {
        if (before.kind !== "running" || request.kind !== "time") continue;
        const stopAtMs = stopAtOf(before);
        const isOver = stopAtMs !== null && stopAtMs <= nowMs;
        assert.equal(after.kind, isOver ? "stopping" : "running");
      }
    });
  });

  test("whenever it has a time, a timer is set for it", () => {
    holds((steps, birth) => {
      let armed: number | null = null;
      for (const { decision, after } of steps) {
        if (decision.kind === "go") {
          for (const effect of decision.effects) {
            if (effect.kind === "arm") armed = effect.atMs;
            if (effect.kind === "disarm") armed = null;
          }
        }
        if (after.kind === "running") assert.equal(armed, stopAtOf(after));
      }
      assert.equal(birth.kind, "creating");
    });
  });
});
