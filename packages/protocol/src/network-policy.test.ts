import assert from "node:assert/strict";
import { suite, test } from "node:test";

import fc from "fast-check";

import { isRefusedAddress, parseIpv4 } from "./internet-address.ts";
import {
  allowNetOf,
  networkPolicyOf,
  parseAllowRule,
  readName,
  ruleForAddress,
  ruleForName,
} from "./network-policy.ts";

suite("an entry of allowNet", () => {
  const good: readonly (readonly [text: string, rule: object])[] = [
    ["example.com", { kind: "name", name: "example.com", port: null }],
    ["Example.COM.", { kind: "name", name: "example.com", port: null }],
    ["example.com:443", { kind: "name", name: "example.com", port: 443 }],
    ["*.example.com", { kind: "below", name: "example.com", port: null }],
    ["*.example.com:8080", { kind: "below", name: "example.com", port: 8_080 }],
    ["bücher.example", { kind: "name", name: "xn--bcher-kva.example", port: null }],
    ["192.0.2.1", { kind: "address", address: "192.0.2.1", port: null }],
    ["192.0.2.1:53", { kind: "address", address: "192.0.2.1", port: 53 }],
    ["[2001:DB8::1]", { kind: "address", address: "2001:db8::1", port: null }],
    ["[2001:db8::1]:443", { kind: "address", address: "2001:db8::1", port: 443 }],
  ];
  for (const [text, rule] of good) {
    test(`${text} is understood, and can be said again`, () => {
      assert.deepEqual(parseAllowRule(text), rule);
      const policy = networkPolicyOf([text]);
      assert.deepEqual(networkPolicyOf(allowNetOf(policy)), policy);
    });
  }

  for (const text of [
    ...["", "*", "*.", "**.example.com", "a.*.com", "*example.com", ".example.com", "a..b"],
    ...["https://example.com", "example.com/path", "user@example.com", "example.com:0"],
    ...["example.com:65536", "example.com:", "exa mple.com", "exam\0ple.com", "example.com\n"],
    ...["-a.com", "a-.com", `${"a".repeat(64)}.com`, `${"a.".repeat(130)}com`],
    ...[
      "127.1",
      "0x7f.0.0.1",
      "0177.0.0.1",
      "2130706433",
      "1.2.3.4.5",
      "1.2.3",
      "256.1.1.1",
      "01.2.3.4",
    ],
    ...["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.100.100.200", "192.168.1.1", "0.0.0.0"],
    ...["2001:db8::1", "[2001:db8::g]", "[]", "[::1", "localhost", "a.localhost", "*.localhost"],
    ...["example.com%00.evil.com", "example.com#.evil.com", "foo.0x7f", "foo.1"],
  ]) {
    test(`${JSON.stringify(text.slice(0, 40))} is refused`, () => {
      assert.throws(() => parseAllowRule(text), RangeError);
    });
  }

  test("whatever it is, it is a rule or a RangeError", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        try {
          const rule = parseAllowRule(text);
          if (rule.kind !== "address") assert.equal(readName(rule.name), rule.name);
        } catch (error) {
          assert.ok(error instanceof RangeError);
        }
      }),
    );
  });
});

suite("a policy", () => {
  const rules = ["example.com", "*.example.net:443", "192.0.2.1:80"].map(parseAllowRule);

  test("lets a name through where a rule has it, on its port", () => {
    const cases: readonly (readonly [name: string, port: number | null, expected: boolean])[] = [
      ["example.com", 22, true],
      ["www.example.com", 443, false],
      ["a.example.net", 443, true],
      ["a.b.example.net", 443, true],
      ["a.example.net", 80, false],
      ["a.example.net", null, true],
      ["example.net", 443, false],
      ["evilexample.net", 443, false],
      ["example.com.evil.org", 443, false],
    ];
    for (const [name, port, expected] of cases) {
      assert.equal(ruleForName(rules, name, port) !== undefined, expected, `${name}:${port}`);
    }
  });

  test("lets an address through only where a rule has the very address", () => {
    assert.ok(ruleForAddress(rules, "192.0.2.1", 80));
    assert.equal(ruleForAddress(rules, "192.0.2.1", 443), undefined);
    assert.equal(ruleForAddress(rules, "192.0.2.2", 80), undefined);
  });
});

suite("addresses that no machine reaches", () => {
  test("are those of this host, of private networks and of metadata services", () => {
    for (const address of [
      ...["0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255"],
      ...["127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255"],
      ...["192.0.0.192", "192.168.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1"],
      ...["255.255.255.255", "::1", "::ffff:1.1.1.1", "64:ff9b::a9fe:a9fe", "fd00::1", "", "a"],
    ]) {
      assert.ok(isRefusedAddress(address), address);
    }
  });

  test("are no others", () => {
    for (const address of [
      ...["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "128.0.0.1"],
      ...["169.253.0.1", "172.15.255.255", "172.32.0.0", "192.0.1.1", "192.0.2.1", "198.18.0.1"],
      ...["203.0.113.1", "223.255.255.255"],
    ]) {
      assert.ok(!isRefusedAddress(address), address);
    }
  });

  test("only four decimal numbers are an address", () => {
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        const value = parseIpv4(text);
        assert.ok(value !== null);
        const back = [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
        assert.equal(back, text);
      }),
    );
    for (const text of ["1.2.3", "1.2.3.4.", " 1.2.3.4", "1.2.3.04", "+1.2.3.4", "1e1.2.3.4"]) {
      assert.equal(parseIpv4(text), null, text);
    }
  });
});
