import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";

import fc from "fast-check";

import { accessOf, withToken } from "./access.ts";
import type { HeaderPair } from "./headers.ts";
import { Invitations } from "./invitations.ts";
import { UrlSigner } from "./url-signer.ts";

const signer = new UrlSigner(randomBytes(32));
const name = fc.stringMatching(/^[0-9a-z]{1,24}$/);
const time = fc.integer({ min: 1, max: 2 ** 45 });

suite("a signature", () => {
  test("is valid for its name until its time, and not a moment longer", () => {
    fc.assert(
      fc.property(name, time, (one, untilMs) => {
        const token = signer.sign(one, untilMs);
        assert.match(token, /^[\w.-]+$/, "it needs no escapes in an address");
        assert.equal(signer.verify(token, one, untilMs - 1), untilMs);
        assert.equal(signer.verify(token, one, untilMs), null);
      }),
    );
  });

  test("is worth nothing for another name or time, or under another key", () => {
    fc.assert(
      fc.property(name, name, time, fc.nat(1_000), (one, other, untilMs, more) => {
        fc.pre(one !== other);
        const token = signer.sign(one, untilMs);
        assert.equal(signer.verify(token, other, 0), null);
        const longer = token.replace(/^\d+/, String(untilMs + more + 1));
        assert.equal(signer.verify(longer, one, 0), null);
        assert.equal(new UrlSigner(randomBytes(32)).verify(token, one, 0), null);
      }),
    );
  });

  test("is worth nothing when a single letter of it is another", () => {
    const token = signer.sign("name", 1_000);
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.stringMatching(/^[\w.-]$/), (at, letter) => {
        fc.pre(token[at] !== letter);
        const changed = token.slice(0, at) + letter + token.slice(at + 1);
        assert.equal(signer.verify(changed, "name", 0), null);
      }),
      { numRuns: 2_000 },
    );
  });

  test("can be anything that somebody sends", () => {
    fc.assert(fc.property(fc.string(), (text) => signer.verify(text, "name", 0) === null));
  });
});

const invitations = new Invitations();
const nowMs = 1_000_000;
const token = signer.sign("mine", nowMs + 60_000);

function access(path: string, headers: readonly HeaderPair[] = [], method = "GET") {
  const host = "mine.skerry.localhost:8443";
  const rules = { signer, invitations, nowMs };
  return accessOf({ method, path, host, headers, isWebSocket: false }, "mine", rules);
}

const page: HeaderPair = ["Accept", "text/html,*/*"];

suite("a private name", () => {
  test("gives a browser a cookie, and sends it on to the same address without the token", () => {
    const answer = access(`/a//b?x=%20&skerry-token=${token}&y`, [page]);
    assert.equal(answer.kind, "cookie");
    const headers = new Map("headers" in answer ? answer.headers : []);
    assert.equal(headers.get("location"), "https://mine.skerry.localhost:8443/a//b?x=%20&y");
    assert.equal(
      headers.get("set-cookie"),
      `__Host-skerry=${token}; Max-Age=60; Path=/; Secure; HttpOnly; SameSite=Lax; Partitioned`,
    );
  });

  test("sends nobody away to another host", () => {
    const answer = access(`//evil.example/?skerry-token=${token}`, [page]);
    const headers = new Map("headers" in answer ? answer.headers : []);
    assert.equal(new URL(headers.get("location") ?? "").host, "mine.skerry.localhost:8443");
  });

  test("lets programs in at once, whichever way they have the token", () => {
    const granted = { kind: "granted", path: "/a?b" };
    assert.deepEqual(access(`/a?b&skerry-token=${token}`), granted);
    assert.deepEqual(access(`/a?b&skerry-token=${token}`, [page], "POST"), granted);
    assert.deepEqual(access("/a?b", [["X-Skerry-Token", token]]), granted);
    assert.deepEqual(access("/a?b", [["Cookie", `x=1; __Host-skerry=${token}`]]), granted);
    assert.deepEqual(
      access("/a?b", [["cookie", `__Host-skerry=old; __Host-skerry=${token}`]]),
      granted,
    );
  });

  test("takes no cookie that the page of a neighbour has the browser send", () => {
    const cookie: HeaderPair = ["cookie", `__Host-skerry=${token}`];
    const isIn = (headers: readonly HeaderPair[], method?: string): boolean =>
      access("/", [cookie, ...headers], method).kind === "granted";
    const neighbour = "https://other.skerry.localhost:8443";
    assert.ok(!isIn([["Origin", neighbour]]), "a WebSocket, or a fetch that may be read");
    assert.ok(
      !isIn(
        [
          ["Origin", neighbour],
          ["Sec-Fetch-Mode", "navigate"],
        ],
        "POST",
      ),
      "a form",
    );
    assert.ok(!isIn([["Origin", "null"]]));
    const script: HeaderPair[] = [["Sec-Fetch-Mode", "no-cors"]];
    assert.ok(!isIn([["Sec-Fetch-Site", "same-site"], ...script]), "a script or an image");
    assert.ok(isIn([["Sec-Fetch-Site", "same-origin"], ...script]));
    assert.ok(isIn([["Origin", "https://mine.skerry.localhost:8443"]], "POST"));
    assert.ok(
      isIn([
        ["Sec-Fetch-Site", "cross-site"],
        ["Sec-Fetch-Mode", "navigate"],
      ]),
      "a link",
    );
    assert.ok(isIn([["Sec-Fetch-Site", "none"]]), "the address bar");
  });

  test("refuses all others", () => {
    const refused = { kind: "refused" };
    const expired = signer.sign("mine", nowMs);
    const another = signer.sign("another", nowMs + 60_000);
    for (const wrong of [expired, another, "", "1.x", `${token}=`]) {
      assert.deepEqual(access(`/?skerry-token=${wrong}`, [page]), refused);
      assert.deepEqual(access("/", [["x-skerry-token", wrong]]), refused);
      assert.deepEqual(access("/", [["cookie", `__Host-skerry=${wrong}`]]), refused);
    }
    assert.deepEqual(access("/"), refused);
    assert.deepEqual(access("/?x-skerry-token=1&other"), refused);
  });

  test("leaves an expired token aside when a cookie is good", () => {
    const path = `/?skerry-token=${signer.sign("mine", 1)}`;
    assert.deepEqual(access(path, [["cookie", `__Host-skerry=${token}`]]), {
      kind: "granted",
      path: "/",
    });
  });

  test("lets one browser in by an invitation, which then has a cookie that goes on", () => {
    const invitation = invitations.issue(nowMs + 60_000);
    const path = `/a?skerry-token=${invitation}&b`;
    const ahead: HeaderPair[] = [page, ["Sec-Purpose", "prefetch;prerender"]];
    assert.deepEqual(access(path), { kind: "refused" }, "a program");
    assert.deepEqual(access(path, [page], "HEAD"), { kind: "refused" }, "what only looks");
    assert.deepEqual(access(path, ahead), { kind: "refused" }, "what looks ahead");

    const answer = access(path, [page]);
    assert.equal(answer.kind, "cookie");
    const headers = new Map("headers" in answer ? answer.headers : []);
    assert.equal(headers.get("location"), "https://mine.skerry.localhost:8443/a?b");
    const [cookie = ""] = headers.get("set-cookie")?.split(";") ?? [];
    assert.ok(!cookie.includes(invitation));

    assert.deepEqual(access(path, [page]), { kind: "refused" }, "a second browser");
    const granted = { kind: "granted", path: "/a?b" };
    assert.deepEqual(access(path, [page, ["cookie", cookie]]), granted, "the first one again");
  });

  test("has addresses with any path and query", () => {
    const signed = withToken(new URL("https://mine.skerry.localhost/a?b=c#d"), token);
    assert.equal(signed, `https://mine.skerry.localhost/a?b=c&skerry-token=${token}#d`);
    assert.equal(
      withToken(new URL(signed), "2.x"),
      "https://mine.skerry.localhost/a?b=c&skerry-token=2.x#d",
    );
  });
});
