import assert from "node:assert/strict";
import { suite, test } from "node:test";

import fc from "fast-check";

import { accessCookies, withoutCookie, withoutForeignDomain } from "./cookies.ts";
import { answerHeaders, requestHeaders, trailers, valuesOf, type HeaderPair } from "./headers.ts";
import { listeners } from "./listening-port.ts";
import { hostnameOf, makeName, Zone } from "./zone.ts";

const origin = {
  host: "n.skerry.localhost:1",
  remoteAddress: "192.0.2.7",
  withheld: new Set<string>(),
};
const anyName = fc.oneof(
  fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/),
  fc.constantFrom("Connection", "connection", "Keep-Alive", "TE", "Transfer-Encoding", "Upgrade"),
  fc.constantFrom("Host", "X-Forwarded-For", "x-forwarded-anything", "Forwarded", "X-Real-IP"),
  fc.constantFrom("Cookie", "Set-Cookie", "X-Skerry-Token", "Proxy-Authorization", "X-Hop"),
);
const anyValue = fc.oneof(
  fc.string(),
  fc.constantFrom("x-hop", "close, X-Hop ,te", "__Host-skerry=1; a=b", "a=b; Domain=localhost"),
);
const anyHeaders: fc.Arbitrary<HeaderPair[]> = fc.array(fc.tuple(anyName, anyValue), {
  maxLength: 12,
});

const single = (headers: readonly HeaderPair[], name: string): string | undefined => {
  const values = valuesOf(headers, name);
  assert.ok(values.length <= 1, name);
  return values[0];
};

suite("whatever a client sends", () => {
  test("a server learns from us who it is, and nothing that is for us or for the connection", () => {
    fc.assert(
      fc.property(anyHeaders, (given) => {
        const sent = requestHeaders(given, origin);
        assert.equal(single(sent, "host"), origin.host);
        assert.equal(single(sent, "x-forwarded-for"), origin.remoteAddress);
        assert.equal(single(sent, "x-forwarded-proto"), "https");
        assert.equal(single(sent, "forwarded"), `for=192.0.2.7;host="${origin.host}";proto=https`);
        const cookie = single(sent, "cookie") ?? "";
        assert.deepEqual(accessCookies(cookie), []);
        const left = new Set(sent.map(([name]) => name.toLowerCase()));
        for (const name of ["connection", "te", "transfer-encoding", "upgrade", "keep-alive"]) {
          assert.ok(!left.has(name), name);
        }
        for (const name of ["x-real-ip", "x-skerry-token", "proxy-authorization"]) {
          assert.ok(!left.has(name), name);
        }
        assert.ok(!left.has("x-forwarded-anything"));
        for (const value of valuesOf(given, "connection")) {
          for (const name of value.split(",")) {
            const key = name.trim().toLowerCase();
            if (!["host", "forwarded"].includes(key))
              assert.ok(!left.has(key) || key.startsWith("x-forwarded"));
          }
        }
      }),
    );
  });

  test("IPv6 addresses are written as both forms want them", () => {
    const sent = requestHeaders([], { ...origin, remoteAddress: "2001:db8::1" });
    assert.equal(single(sent, "x-forwarded-for"), "2001:db8::1");
    assert.match(single(sent, "forwarded") ?? "", /^for="\[2001:db8::1\]";/);
  });
});

suite("whatever a server answers", () => {
  test("no cookie goes beyond its name, and nothing for the connection gets through", () => {
    fc.assert(
      fc.property(anyHeaders, (given) => {
        const sent = answerHeaders(given, origin.host);
        for (const cookie of valuesOf(sent, "set-cookie")) {
          assert.doesNotMatch(cookie, /;\s*domain\s*=/i);
          assert.ok(!cookie.trim().startsWith("__Host-skerry="));
        }
        for (const name of ["connection", "transfer-encoding", "upgrade", "keep-alive"]) {
          assert.deepEqual(valuesOf(sent, name), [], name);
        }
      }),
    );
  });

  test("trailers change nothing of how the message is read", () => {
    const given: HeaderPair[] = [
      ...[["X-Sum", "1"] as HeaderPair, ["Content-Length", "3"] as HeaderPair],
      ...[["set-cookie", "a=b"] as HeaderPair, ["Transfer-Encoding", "x"] as HeaderPair],
    ];
    assert.deepEqual(trailers(given), [["X-Sum", "1"]]);
  });
});

suite("cookies", () => {
  test("lose what is ours and keep all else", () => {
    assert.equal(withoutCookie("a=1; __Host-skerry=x;b=2"), "a=1; b=2");
    assert.equal(withoutCookie(" __Host-skerry = x"), "");
    assert.equal(withoutCookie("__Host-skerryx=1"), "__Host-skerryx=1");
  });

  test("keep a domain that is the host itself, for what is below it", () => {
    const own = "a=1; Domain=N.skerry.localhost; Path=/";
    assert.equal(withoutForeignDomain(own, "n.skerry.localhost"), own);
    for (const domain of ["skerry.localhost", ".localhost", " other.skerry.localhost", ""]) {
      assert.equal(
        withoutForeignDomain(`a=1; DOMAIN =${domain}; Secure`, "n.skerry.localhost"),
        "a=1; Secure",
      );
    }
  });
});

suite("a zone", () => {
  const zone = new Zone("skerry.localhost", ["ord"]);

  test("gives names addresses, and finds them again in them", () => {
    for (const port of [443, 8443]) {
      zone.publicPort = port;
      const name = makeName();
      assert.match(name, /^[0-9a-hjkmnp-z]{24}$/);
      const url = new URL(`https://${zone.domainOf(name)}/`);
      assert.equal(zone.nameIn(url.host), name);
      assert.equal(zone.nameIn(`${url.hostname.toUpperCase()}.:1`), name);
      assert.equal(url.port, port === 443 ? "" : "8443");
    }
  });

  test("has the API at a name of its own, and at those of the regions", () => {
    assert.ok(zone.isApi("api.skerry.localhost:8443") && zone.isApi("ORD.skerry.localhost"));
    assert.ok(!zone.isApi("ams.skerry.localhost") && !zone.isApi("api.example"));
  });

  test("takes nothing else for a name", () => {
    for (const host of [
      "skerry.localhost",
      ".skerry.localhost",
      "a.b.skerry.localhost",
      "a.example",
      "",
    ]) {
      assert.equal(zone.nameIn(host), null, host);
    }
    fc.assert(
      fc.property(fc.string(), (host) => zone.nameIn(host) === null || hostnameOf(host) !== ""),
    );
  });
});

test("the ports of a process are those of its sockets that listen", () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1
   1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 111 1
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1
garbage`;
  assert.deepEqual(listeners(table, new Set(["111"])), [8080]);
  assert.deepEqual(listeners(table, new Set(["333"])), []);
  fc.assert(fc.property(fc.string(), (text) => listeners(text, new Set(["1"])).length >= 0));
});
