import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { accelerationFinding, kvmFinding } from "./acceleration.ts";
import { sizeText } from "./finding.ts";
import { namesFinding } from "./names.ts";
import { availableMemory, cgroupFinding, diskFinding, memoryFinding } from "./resources.ts";
import { defaultPorts, portFinding, serverFinding } from "./server.ts";
import { toolFinding, tools } from "./tools.ts";

const gib = 1024 ** 3;
const endpoint = {
  url: "http://127.0.0.1:8420",
  pid: 42,
  startedAt: "2026-01-02T03:04:05.000Z",
  version: "0.1.0",
  token: "ddo_a",
};
const status = { version: "0.1.0", acceleration: undefined, poolReady: 1, machines: 3 };

suite("doctor", () => {
  for (const [name, finding, level, detail] of [
    ["KVM", accelerationFinding({ kind: "kvm", reason: "" }), "ok", /KVM/],
    [
      "emulation",
      accelerationFinding({ kind: "tcg", reason: "no /dev/kvm" }),
      "warn",
      /emulation.*: no \/dev\/kvm/,
    ],
    [
      "emulation for no reason",
      accelerationFinding({ kind: "tcg", reason: "emulated, since " }),
      "warn",
      /no reason is known/,
    ],
    ["no trial yet", accelerationFinding(undefined), "warn", /not tried/],
    ["machines in memory", accelerationFinding({ kind: "fake", reason: "a test" }), "warn", /fake/],
    ["a usable KVM", kvmFinding({ kind: "usable" }), "ok", /opened/],
    ["no KVM", kvmFinding({ kind: "missing" }), "warn", /not there/],
    ["a forbidden KVM", kvmFinding({ kind: "refused", code: "EACCES" }), "warn", /EACCES/],
    ["a good disk", diskFinding("/h", 20 * gib), "ok", /20\.0 GiB free for \/h/],
    ["a tight disk", diskFinding("/h", 5 * gib), "warn", /5\.0 GiB/],
    ["a full disk", diskFinding("/h", 100 * 1024 ** 2), "fail", /100 MiB/],
    ["good memory", memoryFinding(8 * gib, 16 * gib), "ok", /8\.0 GiB of 16\.0 GiB/],
    ["tight memory", memoryFinding(2 * gib, 16 * gib), "warn", /2\.0 GiB/],
    ["no memory", memoryFinding(gib / 2, 16 * gib), "fail", /512 MiB/],
    ["cgroup 2", cgroupFinding({ v2: true, v1: true }), "ok", /version 2/],
    ["cgroup 1", cgroupFinding({ v2: false, v1: true }), "ok", /version 1/],
    ["no cgroup", cgroupFinding({ v2: false, v1: false }), "warn", /none/],
    ["a free port", portFinding(defaultPorts.api, true, undefined), "ok", /free/],
    ["our port", portFinding(defaultPorts.api, false, endpoint.url), "ok", /our server/],
    [
      "another's port",
      portFinding(defaultPorts.https, false, undefined),
      "fail",
      /another program/,
    ],
    [
      "another's port that we do not need",
      portFinding(defaultPorts.api, false, "http://127.0.0.1:9"),
      "ok",
      /another port/,
    ],
    ["a domain that is found", namesFinding("b.example", true), "ok", /leads to/],
    ["a domain that is not", namesFinding("b.example", false), "warn", /no address/],
    ["names that few find", namesFinding("skerry.localhost", false), "warn", /browsers and curl/],
    ["no server", serverFinding({ kind: "none" }, undefined), "warn", /does not run/],
    ["a dead server", serverFinding({ kind: "dead", endpoint }, undefined), "warn", /42 is gone/],
    [
      "a forbidden server",
      serverFinding({ kind: "unreadable", reason: "no" }, undefined),
      "fail",
      /no/,
    ],
    [
      "a server",
      serverFinding({ kind: "running", endpoint }, { kind: "answered", status }),
      "ok",
      /3 machines/,
    ],
    [
      "a hung server",
      serverFinding({ kind: "running", endpoint }, { kind: "failed", reason: "silent" }),
      "fail",
      /silent/,
    ],
  ] as const) {
    test(`${name} is ${level}, and what is not ok has a remedy`, () => {
      assert.equal(finding.level, level);
      assert.match(finding.detail, detail);
      if (finding.level !== "ok" && name !== "machines in memory") assert.ok(finding.remedy);
    });
  }

  test("only a program that machines need is a failure", () => {
    for (const tool of tools) {
      assert.equal(toolFinding(tool, "/usr/bin/x").level, "ok");
      const expected = tool.purpose === "machines" ? "fail" : "warn";
      assert.equal(toolFinding(tool, undefined).level, expected);
    }
  });

  test("reads what the kernel says of memory", () => {
    assert.equal(availableMemory("MemTotal: 5 kB\nMemAvailable:   2048 kB\n"), 2 * 1024 ** 2);
    assert.equal(availableMemory("MemTotal: 5 kB\n"), undefined);
    assert.equal(sizeText(1.5 * gib), "1.5 GiB");
  });
});
