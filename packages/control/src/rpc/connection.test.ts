import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { limits } from "@skerry/protocol";

import { firstIds } from "../store/store.ts";
import { startControl, type Fixture } from "../testing/control-fixture.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import type { RpcClient } from "../testing/rpc-client.ts";

suite("the envelope", () => {
  test("answers a ping in text with a pong", async () => {
    await using server = await startControl();
    await using client = await server.create();
    client.socket.send("ping");
    await client.next(({ method }) => method === "pong");
  });

  for (const [name, text, code] of [
    ["what is no JSON", "{", 4000],
    ["what is no JSON-RPC", "[]", 4001],
    ["another version of it", '{"jsonrpc":"1.0","id":1,"method":"abort"}', 4001],
    ["an answer that nobody asked for", '{"jsonrpc":"2.0","id":1,"result":null}', 4001],
    ["a stream's bytes that are no base64", enqueue({ streamId: 0, data: "***" }), 4001],
    ["a stream without an id", enqueue({ data: "AAAA" }), 4001],
  ] as const) {
    test(`closes with ${code} for ${name}`, async () => {
      await using server = await startControl();
      const client = await server.create();
      client.socket.send(text);
      assert.equal((await client.closed).code, code);
    });
  }

  test("closes for a binary message", async () => {
    await using server = await startControl();
    const client = await server.create();
    client.socket.send(Buffer.from("ping"), { binary: true });
    assert.equal((await client.closed).code, 4000);
  });

  test("closes with 1009 for a message that is too great, and harms no other client", async () => {
    await using server = await startControl();
    await using other = await server.create();
    const client = await server.create();
    client.socket.send("x".repeat(limits.clientMessageBytesMax + 1));
    assert.equal((await client.closed).code, 1009);
    assert.equal(await other.call("envGet", { key: "HOME" }), "/home/sandbox");
  });

  test("ignores notifications that it does not know", async () => {
    await using server = await startControl();
    await using client = await server.create();
    client.notify("$sandbox.future", {});
    client.notify("$sandbox.stream.end", { streamId: 99 });
    client.notify("$sandbox.stream.cancel", { streamId: 99, reason: null });
    client.notify("$sandbox.stream.enqueue", { streamId: 99, data: "AAAA" });
    assert.equal(await client.call("envGet", { key: "HOME" }), "/home/sandbox");
  });

  for (const [name, method, params, error] of [
    ["an unknown method", "nope", {}, { code: -32601, message: "Method not found" }],
    ["what every object has", "constructor", {}, { code: -32601, message: "Method not found" }],
  ] as const) {
    test(`answers ${name} with an error`, async () => {
      await using server = await startControl();
      await using client = await server.create();
      assert.deepEqual((await client.ask(method, params)).error, error);
    });
  }

  for (const [method, params, path] of [
    ["readFile", { path: 7 }, "path"],
    ["readFile", { path: "/etc/pass\0wd" }, "path"],
    ["readFile", undefined, "path"],
    ["rename", { oldPath: "/a" }, "newPath"],
    ["writeFile", { path: "/x", content: "***" }, "content"],
    ["writeFile", { path: "/x" }, "content"],
    ["spawn", { command: "echo", args: [1], stdout: "null", stderr: "null" }, "args.0"],
    ["mkdir", { path: "/x", options: { mode: 0o10000 } }, "options.mode"],
  ] as const) {
    test(`names ${path} when it does not fit ${method}`, async () => {
      await using server = await startControl();
      await using client = await server.create();
      const { error } = await client.ask(method, params);
      assert.deepEqual([error?.code, error?.message], [-32602, "Invalid params"]);
      assert.deepEqual(error?.data?.["paths"], [path]);
      // The Python client reads the same from here.
      assert.equal(error?.data?.["constructorName"], "ZodError");
      const [issue] = JSON.parse(String(error?.data?.["message"])) as Record<string, unknown>[];
      assert.deepEqual(issue?.["path"], path.split("."));
      assert.equal(typeof issue?.["expected"], "string");
    });
  }

  test("refuses a call too many, and answers it when there is room again", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const { pid } = (await client.call("spawn", sleeping)) as { pid: number };
    const waits = Array.from({ length: limits.clientCallsMax }, () =>
      client.send("processWait", { pid }),
    );
    const { error } = await client.ask("envGet", { key: "HOME" });
    assert.deepEqual([error?.code, error?.data?.["code"]], [-32000, "TOO_MANY_CALLS"]);
    await client.call("processKill", { pid }); // what ends the others gets through
    for (const id of waits) await client.next((message) => message.id === id);
    assert.equal(await client.call("envGet", { key: "HOME" }), "/home/sandbox");
  });

  test("answers calls as they finish, not as they came", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const { pid } = (await client.call("spawn", sleeping)) as { pid: number };
    const waiting = client.ask("processWait", { pid });
    assert.equal(await client.call("envGet", { key: "HOME" }), "/home/sandbox");
    assert.equal(await client.call("processKill", { pid, signal: "SIGKILL" }), null);
    assert.deepEqual((await waiting).result?.ok, {
      ...{ success: false, code: 137, signal: "SIGKILL", oom: null },
    });
  });

  test("a fault of the server's is an internal error with a trace id and no detail", async () => {
    await using server = await startControl();
    await using client = await server.create();
    server.host.machine.guest.call = async () => Promise.reject(new TypeError("a secret inside"));
    const { error } = await client.ask("envGet", { key: "HOME" });
    assert.deepEqual([error?.code, error?.message], [-32603, "Internal error"]);
    assert.equal(error?.data?.["traceId"], client.headers["x-deno-trace-id"]);
    assert.ok(!JSON.stringify(error).includes("secret"));
    assert.ok(server.log.some((line) => line.includes("a secret inside")));
  });
});

suite("the end of a connection", () => {
  test("ends a session sandbox with it, and closes the others of it", async () => {
    await using server = await startControl();
    const owner = await server.create();
    const other = await server.connect(owner.sandboxId);
    owner.socket.close();
    assert.deepEqual(await other.closed, {
      ...{ code: 1001, reason: "The sandbox ended with its session." },
    });
    await ended(server, owner);
    assert.equal(server.host.machines.size, 0);
  });

  test("does not end a session sandbox when it is a second one", async () => {
    await using server = await startControl();
    await using owner = await server.create();
    const other = await server.connect(owner.sandboxId);
    other.socket.terminate();
    await other.closed;
    assert.equal(await owner.call("envGet", { key: "HOME" }), "/home/sandbox");
  });

  test("leaves a duration sandbox and its processes alone", async () => {
    await using server = await startControl();
    const first = await server.create({ stop_at_ms: Date.now() + 60_000 });
    const { pid } = (await first.call("spawn", { ...sleeping, stdout: "piped" })) as {
      pid: number;
    };
    first.socket.terminate();
    await first.closed;
    await using second = await server.connect(first.sandboxId);
    const waiting = second.ask("processWait", { pid });
    assert.equal(await second.call("processKill", { pid }), null);
    assert.deepEqual((await waiting).result?.ok, {
      ...{ success: false, code: 143, signal: "SIGTERM", oom: null },
    });
    assert.ok(server.host.machine.guest.processes.get(pid)?.isDetached);
  });

  test("a sandbox that was extended survives its session", async () => {
    const clock = new FakeClock();
    await using server = await startControl({ clock });
    const owner = await server.create();
    const stop_at_ms = clock.now() + 10_000; // soon enough for nobody to be thought silent
    const path = `/api/v3/sandbox/${owner.sandboxId}`;
    await server.fetch(path, { method: "PATCH", body: JSON.stringify({ stop_at_ms }) });
    owner.socket.close();
    await owner.closed;
    const second = await server.connect(owner.sandboxId);
    clock.advance(10_000);
    assert.equal((await second.closed).code, 1001);
  });

  test("comes for a client that falls silent, and ends its session", async () => {
    const clock = new FakeClock();
    await using server = await startControl({ clock });
    const owner = await server.create({}, {}, { autoPong: false });
    clock.advance(limits.clientSilenceMaxMs);
    assert.equal((await owner.closed).code, 1006);
    await ended(server, owner);
    assert.equal(server.host.machines.size, 0);
    const [row] = await server.store.sandboxes.list({
      organizationId: firstIds.organization,
      labels: {},
      limit: 1,
    });
    assert.equal(row?.endReason, "session-silent");
  });

  test("does not come for a client that only answers pings", async () => {
    const clock = new FakeClock();
    await using server = await startControl({ clock });
    await using owner = await server.create();
    for (let round = 0; round < 5; round++) {
      const pinged = new Promise((resolve) => owner.socket.once("ping", resolve));
      clock.advance(limits.clientPingMs);
      await pinged;
      // The pong left before this request did, so it is heard when the answer is here.
      assert.equal(await owner.call("envGet", { key: "HOME" }), "/home/sandbox");
    }
  });

  test("comes with an error for whoever waits when the machine crashes", async () => {
    await using server = await startControl();
    await using bystander = await server.create();
    const bystanders = server.host.machine;
    const owner = await server.create();
    const { pid } = (await owner.call("spawn", sleeping)) as { pid: number };
    const waiting = owner.ask("processWait", { pid });
    await owner.call("envToObject", {}); // the server has read both
    for (const machine of server.host.machines.values()) {
      if (machine !== bystanders) machine.crash();
    }
    const { error } = await waiting;
    assert.equal(error?.code, 3);
    assert.match(error?.message ?? "", /^Isolate internal error: /);
    assert.deepEqual(await owner.closed, {
      ...{ code: 1011, reason: "The machine of the sandbox failed." },
    });
    await ended(server, owner);
    assert.equal(await bystander.call("envGet", { key: "HOME" }), "/home/sandbox");
    assert.equal(server.host.machines.size, 1);
  });

  test("cuts off a client that does not answer the closing of its socket", async () => {
    const clock = new FakeClock();
    await using server = await startControl({ clock });
    const client = await server.create({ stop_at_ms: clock.now() + 60_000 });
    client.socket.pause();
    await server.fetch(`/api/v3/sandbox/${client.sandboxId}`, { method: "DELETE" });
    clock.advance(limits.clientCloseMs);
    client.socket.resume();
    await client.closed;
  });

  test("is noted with its code", async () => {
    await using server = await startControl();
    const owner = await server.create({ stop_at_ms: Date.now() + 60_000 });
    owner.socket.close(1000);
    await owner.closed;
    await using second = await server.connect(owner.sandboxId);
    await second.call("envToObject", {});
    const events = await server.control.sandboxes.events(server.host.machine.id);
    const { detail } = events.find(({ kind }) => kind === "disconnected") ?? {};
    assert.deepEqual(detail, { code: 1000, isOwner: true });
  });
});

const sleeping = { command: "sleep", stdout: "null", stderr: "null" } as const;

async function ended(server: Fixture, client: RpcClient): Promise<void> {
  for (const sandbox of server.control.sandboxes.live()) {
    if (sandbox.id === client.sandboxId) await sandbox.ended;
  }
}

function enqueue(params: object): string {
  return JSON.stringify({ jsonrpc: "2.0", method: "$sandbox.stream.enqueue", params });
}
