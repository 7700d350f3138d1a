import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { secretGrantOf } from "@skerry/protocol";
import { decode, encode, type RecordType } from "dns-packet";
import fc from "fast-check";

import { decide } from "../decide.ts";
import { MachineState } from "../machines.ts";
import { refusedAddresses } from "../refused-addresses.ts";
import { machineWith, upstreamOf } from "../testing.ts";
import { answerTo } from "./answering.ts";

const known = upstreamOf({
  "api.example.com": ["192.0.2.1", "192.0.2.2"],
  "inside.example.com": ["10.0.0.1"],
  "mixed.example.com": ["169.254.169.254", "192.0.2.3"],
  "empty.example.com": [],
});
const sources = { upstream: known, isRefused: refusedAddresses([], () => []) };

function question(name: string, type: RecordType = "A"): Buffer {
  return encode({ id: 7, type: "query", flags: 256, questions: [{ name, type }] });
}

interface Answer {
  readonly code: number;
  readonly addresses: readonly unknown[];
  readonly ttls: readonly unknown[];
}

async function ask(machine: MachineState, name: string, type?: RecordType): Promise<Answer> {
  const answer = await answerTo(question(name, type), "udp", machine, sources);
  assert.ok(answer !== null);
  const packet = decode(answer);
  assert.equal(packet.id, 7);
  const answers = packet.answers ?? [];
  return {
    code: (packet.flags ?? 0) & 0xf,
    addresses: answers.map((each) => ("data" in each ? each.data : null)),
    ttls: answers.map((each) => ("ttl" in each ? each.ttl : null)),
  };
}

suite("names that a filtered machine asks for", () => {
  test("are answered where a rule has them, and bind the addresses", async () => {
    const { machine, refused } = machineWith("*.example.com:443");
    const { code, addresses, ttls } = await ask(machine, "API.Example.com");
    assert.equal(code, 0);
    assert.deepEqual(addresses, ["192.0.2.1", "192.0.2.2"]);
    assert.deepEqual(ttls, [5, 5]);
    assert.deepEqual(machine.bindings.namesOf("192.0.2.2"), ["api.example.com"]);
    assert.deepEqual(refused, []);
  });

  test("are refused where none has, with no query to anybody", async () => {
    const { machine, refused } = machineWith("api.example.com");
    const secret = "c2vjcmv0.evil.example.org";
    const { code, addresses } = await ask(machine, secret);
    assert.deepEqual([code, addresses], [5, []]);
    assert.deepEqual(refused, [{ host: secret, port: null, reason: "no-rule" }]);
  });

  for (const type of ["AAAA", "TXT", "HTTPS", "MX", "ANY", "CNAME"] as const) {
    test(`have no ${type}`, async () => {
      const { machine } = machineWith("api.example.com");
      assert.deepEqual((await ask(machine, "api.example.com", type as RecordType)).addresses, []);
    });
  }

  test("lead to no address that is refused", async () => {
    const { machine, refused } = machineWith("*.example.com");
    assert.deepEqual((await ask(machine, "inside.example.com")).addresses, []);
    assert.deepEqual((await ask(machine, "mixed.example.com")).addresses, ["192.0.2.3"]);
    assert.deepEqual(machine.bindings.namesOf("169.254.169.254"), []);
    assert.equal(refused[0]?.reason, "refused-address");
  });

  test("that do not exist, or have no address, are told apart", async () => {
    const { machine } = machineWith("*.example.com");
    assert.equal((await ask(machine, "nothing.example.com")).code, 3);
    assert.equal((await ask(machine, "empty.example.com")).code, 0);
  });

  test("whose labels hold dots are not taken for others", async () => {
    const { machine } = machineWith("api.example.com");
    const label = "api.example.com";
    const name = Buffer.from([label.length, ...Buffer.from(label), 0]);
    const message = Buffer.concat([question("a").subarray(0, 12), name, Buffer.from([0, 1, 0, 1])]);
    assert.equal(await answerTo(message, "udp", machine, sources), null);
  });

  test("are too many at some point", async () => {
    const { machine, refused } = machineWith("api.example.com");
    machine.queries = 64;
    assert.equal((await ask(machine, "api.example.com")).code, 2);
    assert.equal(refused[0]?.reason, "too-many");
  });

  test("whatever comes is an answer or nothing, and never an error", async () => {
    const { machine } = machineWith("*.example.com");
    const bytes = fc.uint8Array({ maxLength: 600 });
    const mutated = fc.tuple(fc.nat(40), fc.nat(255)).map(([at, value]) => {
      const message = question("api.example.com");
      message[at % message.length] = value;
      return new Uint8Array(message);
    });
    await fc.assert(
      fc.asyncProperty(fc.oneof(bytes, mutated), async (message) => {
        await answerTo(Buffer.from(message), "udp", machine, sources);
      }),
      { numRuns: 500 },
    );
    assert.equal(machine.queries, 0);
  });
});

suite("names that an open machine asks for", () => {
  test("are answered as the host's name servers answer", async () => {
    const machine = new MachineState(
      1,
      { policy: { kind: "open" }, secrets: [] },
      { now: () => 0, tell: () => {} },
    );
    for (const type of ["TXT", "HTTPS"] as const) {
      const message = question("anything.example.org", type as RecordType);
      assert.equal(await answerTo(message, "udp", machine, sources), message);
    }
  });

  test("say nothing that hides a host, when it has secrets", async () => {
    const secret = secretGrantOf(
      "KEY",
      { hosts: ["api.example.com"], value: "v" },
      `DENO_SECRET_PLACEHOLDER_${"0".repeat(64)}`,
    );
    const machine = new MachineState(
      1,
      { policy: { kind: "open" }, secrets: [secret] },
      { now: () => 0, tell: () => {} },
    );
    const message = question("api.example.com", "HTTPS" as RecordType);
    const answer = await answerTo(message, "udp", machine, sources);
    assert.equal(answer === null ? -1 : decode(answer).answers?.length, 0);
    const text = question("api.example.com", "TXT");
    assert.equal(await answerTo(text, "udp", machine, sources), text);
  });
});

suite("a connection of a filtered machine", () => {
  const none = (): boolean => false;

  test("goes to the name that led to its address, on the ports of its rule", async () => {
    const { machine } = machineWith("api.example.com:443");
    await ask(machine, "api.example.com");
    const name = { kind: "name", name: "api.example.com" };
    assert.deepEqual(decide(machine, "192.0.2.1", 443, none), name);
    assert.deepEqual(decide(machine, "192.0.2.1", 80, none), {
      kind: "refuse",
      refusal: { host: "api.example.com", port: 80, reason: "no-rule" },
    });
  });

  test("goes to no address that no name has led to, whatever it claims to be", () => {
    const { machine } = machineWith("api.example.com");
    assert.deepEqual(decide(machine, "192.0.2.1", 443, none), {
      kind: "refuse",
      refusal: { host: "192.0.2.1", port: 443, reason: "no-name" },
    });
  });

  test("goes to an address that a rule has", () => {
    const { machine } = machineWith("192.0.2.9:5432");
    const address = { kind: "address", address: "192.0.2.9" };
    assert.deepEqual(decide(machine, "192.0.2.9", 5_432, none), address);
  });

  test("goes to no refused address, even when it was bound", () => {
    const { machine } = machineWith("api.example.com");
    machine.bindings.add("api.example.com", "192.0.2.1", 60);
    const { kind } = decide(machine, "192.0.2.1", 443, () => true);
    assert.equal(kind, "refuse");
  });

  test("goes nowhere once what the machine had learnt is old", async () => {
    const { machine, clock } = machineWith("api.example.com");
    await ask(machine, "api.example.com");
    clock.ms = 3_600_000;
    assert.equal(decide(machine, "192.0.2.1", 443, none).kind, "refuse");
  });
});

suite("refusals", () => {
  test("are told once in a minute, and no more than so many", () => {
    const { machine, refused, clock } = machineWith();
    for (let i = 0; i < 500; i++) {
      machine.refuse({ host: `h${i % 100}`, port: 1, reason: "no-rule" });
    }
    assert.equal(refused.length, 60);
    clock.ms = 60_000;
    machine.refuse({ host: "h1", port: 1, reason: "no-rule" });
    assert.equal(refused.length, 61);
  });
});
