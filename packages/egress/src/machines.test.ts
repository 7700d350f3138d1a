import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { networkPolicyOf } from "@skerry/protocol";

import { Machines, type OpenConnection } from "./machines.ts";

suite("machines", () => {
  test("of which one gets another policy lose the connections that it does not allow", () => {
    const machines = new Machines({ now: () => 0, tell: () => {} });
    machines.set(1, { policy: networkPolicyOf(["*.example", "192.0.2.1"]), secrets: [] });
    const cut: string[] = [];
    const add = (what: string, to: OpenConnection["to"], port: number): void => {
      machines.get(1)?.connections.add({ to, port, cut: () => void cut.push(what) });
    };
    add("kept", { kind: "name", name: "a.example" }, 443);
    add("other port", { kind: "name", name: "a.example" }, 80);
    add("other name", { kind: "name", name: "b.example" }, 443);
    add("address", { kind: "address", address: "192.0.2.1" }, 443);
    machines.set(1, { policy: networkPolicyOf(["a.example:443"]), secrets: [] });
    assert.deepEqual(cut, ["other port", "other name", "address"]);
  });

  test("that are gone have no connection left", () => {
    const machines = new Machines({ now: () => 0, tell: () => {} });
    machines.set(1, { policy: networkPolicyOf(["a.example"]), secrets: [] });
    let cuts = 0;
    const to = { kind: "name", name: "a.example" } as const;
    machines.get(1)?.connections.add({ to, port: 443, cut: () => (cuts += 1) });
    machines.set(1, null);
    assert.equal(cuts, 1);
    assert.equal(machines.get(1), undefined);
  });

  test("remember which names led where, and the connections that they keep", () => {
    const machines = new Machines({ now: () => 0, tell: () => {} });
    machines.set(1, { policy: networkPolicyOf(["a.example"]), secrets: [] });
    machines.get(1)?.bindings.add("a.example", "192.0.2.1", 60);
    const to = { kind: "name", name: "a.example" } as const;
    machines.get(1)?.connections.add({ to, port: 443, cut: () => assert.fail("it is allowed") });
    machines.set(1, { policy: networkPolicyOf(["a.example:443"]), secrets: [] });
    assert.deepEqual(machines.get(1)?.bindings.namesOf("192.0.2.1"), ["a.example"]);
    assert.equal(machines.get(1)?.connections.size, 1);
  });
});
