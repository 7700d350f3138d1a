import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { FrameError, limits, SandboxError } from "@skerry/protocol";

import { json, ScriptedPort } from "../testing/scripted-port.ts";
import { GuestClient } from "./guest-client.ts";
import { GuestLink } from "./guest-link.ts";

const signal = (): AbortSignal => new AbortController().signal;

async function greeted(): Promise<{ port: ScriptedPort; link: GuestLink; guest: GuestClient }> {
  const port = new ScriptedPort();
  const [link] = await Promise.all([
    GuestLink.open(port, { canNudge: false, signal: signal() }),
    port.hello(),
  ]);
  return { port, link, guest: new GuestClient(link) };
}

suite("open()", () => {
  test("skips what an earlier connection left before the hello", async () => {
    const port = new ScriptedPort();
    port.push(Buffer.alloc(5_000, 7));
    port.say({ kind: "hello", channel: 0, json: json({ version: 1, boot: "unasked" }) });
    port.push(Buffer.from("half of an old frame"));
    await Promise.all([GuestLink.open(port, { canNudge: false, signal: signal() }), port.hello()]);
  });

  test("gives up a port that sends too much before a hello", async () => {
    const port = new ScriptedPort();
    const opening = GuestLink.open(port, { canNudge: false, signal: signal() });
    port.push(Buffer.alloc(limits.guestResyncBytesMax + 1_000));
    await assert.rejects(opening, FrameError);
    assert.ok(port.destroyed);
  });

  test("fails with the signal's reason and destroys the port", async () => {
    const port = new ScriptedPort();
    const reason = new Error("enough");
    await assert.rejects(
      GuestLink.open(port, { canNudge: false, signal: AbortSignal.abort(reason) }),
      reason,
    );
    assert.ok(port.destroyed);
  });

  test("refuses a guest of another version", async () => {
    const port = new ScriptedPort();
    const opening = GuestLink.open(port, { canNudge: false, signal: signal() });
    opening.catch(() => undefined);
    await port.hello(2);
    await assert.rejects(opening, FrameError);
  });
});

suite("a guest that breaks the protocol loses its link", () => {
  const violations: readonly (readonly [name: string, say: (port: ScriptedPort) => void])[] = [
    ["bytes that are no frame", (port) => port.push(Buffer.alloc(32, 255))],
    ["a request of its own", (port) => port.say({ kind: "request", channel: 1, json: json({}) })],
    [
      "data on an input stream",
      (port) => port.say({ kind: "data", channel: 1, stream: 0, bytes: Buffer.from("x") }),
    ],
    [
      "credit for its own stream",
      (port) => port.say({ kind: "credit", channel: 1, stream: 1, credit: 1 }),
    ],
    [
      "a response that is no JSON",
      (port) => port.say({ kind: "response", channel: 1, json: Buffer.from("{]") }),
    ],
    [
      "a response that is neither ok nor an error",
      (port) => port.say({ kind: "response", channel: 1, json: json({}) }),
    ],
    ["an answer of the wrong shape", (port) => port.respond(1, { totally: "wrong" })],
    [
      "more data than it was granted",
      (port) => {
        const bytes = Buffer.alloc(limits.guestDataBytesMax);
        for (let sent = 0; sent <= limits.guestWindowBytes; sent += bytes.length) {
          port.say({ kind: "data", channel: 1, stream: 1, bytes });
        }
      },
    ],
  ];
  for (const [name, say] of violations) {
    test(name, async () => {
      const { port, link, guest } = await greeted();
      const call = guest.call("env.get", { key: "X" });
      call.catch(() => undefined);
      say(port);
      await assert.rejects(call, (error) => {
        return error instanceof SandboxError && error.code === "SANDBOX_GONE";
      });
      assert.ok((await link.closed) instanceof FrameError);
      assert.ok(port.destroyed);
    });
  }
});

suite("streams", () => {
  test("grant credit only for what the reader has taken", async () => {
    const { port, guest } = await greeted();
    const opening = guest.readFile("/big");
    port.respond(1, {});
    const content = await opening;
    const bytes = Buffer.alloc(limits.guestDataBytesMax, 1);
    for (let i = 0; i < 4; i += 1) port.say({ kind: "data", channel: 1, stream: 1, bytes });
    await new Promise(setImmediate);
    assert.deepEqual(
      port.sent.filter(({ kind }) => kind === "credit"),
      [],
    );
    const reader = content[Symbol.asyncIterator]();
    assert.equal((await reader.next()).value?.length, bytes.length);
    const credit = await port.next("credit");
    assert.deepEqual(credit, { kind: "credit", channel: 1, stream: 1, credit: bytes.length });
  });

  test("send no more than the guest granted, and go on when it grants more", async () => {
    const { port, guest } = await greeted();
    const whole = Buffer.alloc(limits.guestWindowBytes + 10, 2);
    const writing = guest.writeFile({ path: "/x" }, [whole]);
    let received = 0;
    while (received < limits.guestWindowBytes) {
      const frame = await port.next("data");
      if (frame.kind === "data") received += frame.bytes.length;
    }
    port.respond(1, {});
    await new Promise(setImmediate);
    assert.equal(received, limits.guestWindowBytes);
    assert.deepEqual(
      port.sent.filter(({ kind }) => kind === "data" || kind === "end"),
      [],
    );
    port.say({ kind: "credit", channel: 1, stream: 0, credit: 100 });
    const last = await port.next("data");
    assert.equal(last.kind === "data" && last.bytes.length, 10);
    await port.next("end");
    port.say({ kind: "event", channel: 1, json: json({ done: { bytes: whole.length } }) });
    assert.equal(await writing, whole.length);
  });

  test("stop the guest when the reader stops early", async () => {
    const { port, guest } = await greeted();
    const opening = guest.readFile("/big");
    port.respond(1, {});
    port.say({ kind: "data", channel: 1, stream: 1, bytes: Buffer.from("some") });
    for await (const _ of await opening) break;
    assert.deepEqual(await port.next("cancel"), { kind: "cancel", channel: 1 });
  });

  test("fail the reader with the guest's error", async () => {
    const { port, guest } = await greeted();
    const opening = guest.readFile("/bad");
    port.respond(1, {});
    const content = await opening;
    port.say({
      kind: "event",
      channel: 1,
      json: json({ error: { errno: "EIO", message: "Input/output error" } }),
    });
    await assert.rejects(content[Symbol.asyncIterator]().next(), { errno: "EIO" });
  });
});

test("a guest that is stuck in an old frame is nudged, and greeted again", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const port = new ScriptedPort();
  const opening = GuestLink.open(port, { canNudge: true, signal: signal() });
  await port.next("hello"); // lost in the old frame
  t.mock.timers.tick(10_000);
  assert.equal(port.nudges, 1);
  port.say({ kind: "hello", channel: 0, json: json({ version: 1, boot: "started again" }) });
  await port.hello();
  await opening;
});

test("a guest that restarts fails the calls that it has forgotten", async () => {
  const { port, guest } = await greeted();
  const call = guest.call("wait", { pid: 7 });
  port.say({ kind: "hello", channel: 0, json: json({ version: 1, boot: "again" }) });
  await assert.rejects(call, { code: "SANDBOX_GONE" });
});

test("a call that is given up tells the guest, and the caller gets the reason", async () => {
  const { port, guest } = await greeted();
  const abort = new AbortController();
  const call = guest.call("wait", { pid: 7 }, abort.signal);
  abort.abort(new DOMException("enough", "AbortError"));
  await assert.rejects(call, { name: "AbortError" });
  assert.deepEqual(await port.next("cancel"), { kind: "cancel", channel: 1 });
});
