import assert from "node:assert/strict";
import { test } from "node:test";

import { limits } from "@skerry/protocol";
import fc from "fast-check";

import { Invitations } from "./invitations.ts";

test("an invitation is good once, until its time, and for no other name", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: -1_000, max: 1_000 }), (nowMs, leftMs) => {
      const invitations = new Invitations();
      const token = invitations.issue(nowMs + leftMs);
      assert.equal(new Invitations().redeem(token, nowMs), false);
      assert.equal(invitations.redeem(token, nowMs), leftMs > 0);
      assert.equal(invitations.redeem(token, nowMs), false);
    }),
  );
});

test("an invitation is nothing that somebody made up", () => {
  const invitations = new Invitations();
  const token = invitations.issue(1);
  fc.assert(
    fc.property(fc.string(), (text) => {
      fc.pre(text !== token);
      assert.equal(invitations.redeem(text, 0), false);
    }),
  );
  assert.match(token, /^[\w-]{43}$/, "256 bits, and no escapes in an address");
  assert.equal(invitations.redeem(token, 0), true);
});

test("of too many invitations the oldest are good no more", () => {
  const invitations = new Invitations();
  const tokens = Array.from({ length: limits.invitationsMax + 1 }, () => invitations.issue(1));
  assert.deepEqual(
    tokens.map((token) => invitations.redeem(token, 0)),
    tokens.map((_, at) => at > 0),
  );
});
