import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { limits } from "@skerry/protocol";

import { startControl, type Fixture } from "../../testing/control-fixture.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { isOf, type RpcClient } from "../../testing/rpc-client.ts";

const MiB = 1_048_576;

interface Spawned {
  readonly pid: number;
  readonly stdoutStreamId: number;
}

async function flood(client: RpcClient, bytes: number): Promise<Spawned> {
  const params = { command: "flood", args: [String(bytes)], stdout: "piped", stderr: "null" };
  return (await client.ask("spawn", params)).result?.ok as Spawned;
}

/** What the process has written, once it cannot write any more. */
async function writtenWhenBlocked(server: Fixture, pid: number): Promise<number> {
  const stdout = server.host.machine.guest.processes.get(pid)?.stdout;
  let before = -1;
  for (let quietTurns = 0; quietTurns < 500; quietTurns++) {
    const now = stdout?.writtenBytes ?? 0;
    if (now !== before) quietTurns = 0;
    before = now;
    await turn();
  }
  return before;
}

suite("a stream of the server", () => {
  test("starts before the answer that names it, and its bytes come after", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const { pid, stdoutStreamId } = await flood(client, 1_000);
    await client.call("processWait", { pid });
    await client.output(stdoutStreamId);
    const kinds = client.messages.flatMap((message): string[] => {
      if (isOf(stdoutStreamId, "start")(message)) return ["start"];
      if (message.result !== undefined) return ["answer"];
      return isOf(stdoutStreamId, "enqueue")(message) ? ["bytes"] : [];
    });
    const names = kinds.filter((name, at, all) => name !== all[at - 1]);
    assert.deepEqual(names.slice(0, 3), ["start", "answer", "bytes"]);
  });

  test("waits a moment for a client that may not know its process yet", async () => {
    const clock = new FakeClock();
    await using server = await startControl({ clock });
    await using client = await server.create();
    const { stdoutStreamId } = await flood(client, 10);
    await client.call("envToObject", {});
    assert.ok(!client.messages.some(isOf(stdoutStreamId, "enqueue")));
    clock.advance(limits.outputHoldMs);
    assert.equal((await client.output(stdoutStreamId)).length, 10);
  });

  test("waits as long as the client has more to say, and not for ever", async () => {
    const clock = new FakeClock();
    await using server = await startControl({ clock });
    await using client = await server.create();
    const { stdoutStreamId } = await flood(client, 10);
    const rounds = Math.floor(limits.outputHoldMaxMs / limits.outputHoldMs) + 1;
    for (let round = 0; round < rounds; round += 1) {
      assert.ok(!client.messages.some(isOf(stdoutStreamId, "enqueue")), `round ${round}`);
      clock.advance(limits.outputHoldMs - 1);
      await client.call("envToObject", {});
    }
    clock.advance(rounds);
    assert.equal((await client.output(stdoutStreamId)).length, 10);
  });

  test("has an id that no other stream of the server has", async () => {
    await using server = await startControl();
    await using one = await server.create();
    await using other = await server.create();
    const ids = new Set<number>();
    for (const client of [one, other, one, other]) {
      ids.add((await flood(client, 1)).stdoutStreamId);
    }
    assert.equal(ids.size, 4);
    for (const id of ids) assert.ok(id > 0 && id < 2 ** 52);
  });

  test("carries 64 MiB byte for byte, in messages of a bounded size", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const { pid, stdoutStreamId } = await flood(client, 64 * MiB);
    await client.call("processWait", { pid });
    const bytes = await client.output(stdoutStreamId);
    assert.equal(bytes.length, 64 * MiB);
    for (let at = 0; at < bytes.length; at += 65_536) {
      assert.ok(bytes[at] === 0 && bytes[at + 250] === 250 && bytes[at + 251] === 0);
    }
    const sizes = client.messages.map((message) => JSON.stringify(message.params ?? {}).length);
    assert.ok(Math.max(...sizes) < Math.ceil(limits.streamChunkBytesMax / 3) * 4 + 100);
  });

  test("stops at a client that does not read, and goes on when it does", async () => {
    await using server = await startControl();
    await using client = await server.create({ stop_at_ms: Date.now() + 60_000 });
    await using other = await server.connect(client.sandboxId);
    const total = 64 * MiB;
    const { pid, stdoutStreamId } = await flood(client, total);
    client.socket.pause();
    const written = await writtenWhenBlocked(server, pid);
    assert.ok(written < 24 * MiB, `${written} bytes`); // most of it in the kernel's socket buffers
    assert.equal(await other.call("envGet", { key: "HOME" }), "/home/sandbox");
    client.socket.resume();
    assert.equal((await client.output(stdoutStreamId)).length, total);
  });

  test("is thrown away when the client cancels it, and its process goes on", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const { pid, stdoutStreamId } = await flood(client, 8 * MiB);
    client.notify("$sandbox.stream.cancel", { streamId: stdoutStreamId, reason: null });
    assert.equal(((await client.call("processWait", { pid })) as { code: number }).code, 0);
    await client.call("envToObject", {});
    assert.ok(!client.messages.some(isOf(stdoutStreamId, "end")));
  });

  test("ends with an error when the machine does", async () => {
    await using server = await startControl();
    const client = await server.create();
    const params = { command: "sleep", stdout: "piped", stderr: "null" } as const;
    const { pid, stdoutStreamId } = (await client.call("spawn", params)) as Spawned;
    const waiting = client.ask("processWait", { pid });
    await client.call("envToObject", {});
    server.host.machine.crash();
    await waiting;
    await client.closed;
    const errors = client.messages.filter(isOf(stdoutStreamId, "error"));
    assert.ok(errors.length <= 1);
  });
});

suite("stdin", () => {
  const cat = { command: "cat", stdout: "piped", stderr: "null" } as const;

  test("goes to the process, even what came before the call", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const chunks = [Buffer.from("one "), Buffer.alloc(300_000, "x"), Buffer.from(" two")];
    const stdinStreamId = client.stream(...chunks);
    const spawned = (await client.call("spawn", { ...cat, stdinStreamId })) as Spawned;
    assert.deepEqual(await client.output(spawned.stdoutStreamId), Buffer.concat(chunks));
    await client.call("processWait", { pid: spawned.pid });
  });

  test("ends when the client fails it", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const stdinStreamId = client.startStream();
    const { pid } = (await client.call("spawn", { ...cat, stdinStreamId })) as Spawned;
    client.notify("$sandbox.stream.error", { streamId: stdinStreamId, error: "broken" });
    assert.equal(((await client.call("processWait", { pid })) as { code: number }).code, 0);
  });

  test("of a process that has ended is cancelled with the next bytes", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const stdinStreamId = client.startStream();
    const params = { command: "true", stdout: "null", stderr: "null", stdinStreamId } as const;
    const { pid } = (await client.call("spawn", params)) as Spawned;
    await client.call("processWait", { pid });
    await client.call("envToObject", {});
    assert.ok(!client.messages.some(isOf(stdinStreamId, "cancel")));
    client.enqueue(stdinStreamId, Buffer.from("too late"));
    const cancel = await client.next(isOf(stdinStreamId, "cancel"));
    assert.partialDeepStrictEqual(cancel.params, { reason: { code: "EPIPE" } });
  });

  test("of a process that does not start is given back", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const stdinStreamId = client.startStream();
    const { result } = await client.ask("spawn", { ...cat, command: "nope", stdinStreamId });
    assert.equal(result?.error?.["constructorName"], "NotFound");
    await client.next(isOf(stdinStreamId, "cancel"));
  });

  test("of a call that is refused is given back", async () => {
    await using server = await startControl();
    await using client = await server.create();
    for (const [method, params] of [
      ["spawn", { command: 7 }],
      ["spawnDeno", {}],
      ["nope", {}],
    ] as const) {
      const stdinStreamId = client.startStream();
      await client.ask(method, { ...params, stdinStreamId });
      await client.next(isOf(stdinStreamId, "cancel"));
    }
  });

  test("that nobody reads does not keep a kill from getting through for long", async () => {
    const clock = new FakeClock();
    await using server = await startControl({ clock });
    const client = await server.create();
    const stdinStreamId = client.startStream();
    const params = { command: "sleep", stdout: "null", stderr: "null", stdinStreamId } as const;
    const { pid } = (await client.call("spawn", params)) as Spawned;
    for (let sent = 0; sent < 3 * MiB; sent += MiB / 2) {
      client.enqueue(stdinStreamId, Buffer.alloc(MiB / 2));
    }
    const killed = client.call("processKill", { pid });
    let isKilled = false;
    void killed.then(() => (isKilled = true));
    for (let second = 0; !isKilled; second++) {
      assert.ok(second < 1_000, "the kill never came through");
      clock.advance(1_000);
      await turn();
      await turn();
    }
    await client[Symbol.asyncDispose]();
  });
});
