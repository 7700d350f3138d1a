import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { encodeStreamData, limits, subprotocols } from "@skerry/protocol";

import { startControl, type Fixture } from "../../testing/control-fixture.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { isOf, type RpcClient } from "../../testing/rpc-client.ts";

const MiB = 1_048_576;
const binary = { protocols: [subprotocols.binary, subprotocols.json] };

interface Spawned {
  readonly pid: number;
  readonly stdoutStreamId: number;
}

function open(server: Fixture): Promise<RpcClient> {
  return server.create({ stop_at_ms: Date.now() + 600_000 }, {}, binary);
}

async function spawn(client: RpcClient, command: string, ...args: string[]): Promise<Spawned> {
  const params = { command, args, stdout: "piped", stderr: "null", keep: true } as const;
  return (await client.call("spawn", params)) as Spawned;
}

async function attach(client: RpcClient, pid: number, stdoutOffset: number): Promise<number> {
  const params = { pid, stdoutOffset, stderrOffset: null };
  return ((await client.call("processAttach", params)) as Spawned).stdoutStreamId;
}

/** Takes all that comes until a stream has ended. */
async function takeAll(client: RpcClient, streamId: number): Promise<Buffer> {
  let granted = 0;
  const more = (): boolean => client.received(streamId).length > granted;
  for (let isOver = false; !isOver;) {
    await client.next((message) => more() || isOf(streamId, "end")(message));
    isOver = client.messages.some(isOf(streamId, "end"));
    const now = client.received(streamId).length;
    if (now > granted) client.grant(streamId, now - granted);
    granted = now;
  }
  return client.received(streamId);
}

async function cut(client: RpcClient): Promise<void> {
  client.socket.terminate();
  await client.closed;
}

suite("a process that was spawned with keep", () => {
  test("goes on when its socket drops, and another reads on where the first stopped", async () => {
    await using server = await startControl();
    const first = await open(server);
    const { pid, stdoutStreamId } = await spawn(first, "flood", String(4 * MiB));
    await first.next(() => first.received(stdoutStreamId).length >= 500_000);
    const head = first.received(stdoutStreamId).subarray(0, 400_000);
    first.grant(stdoutStreamId, 300_000);
    await cut(first);
    await using second = await server.connect(first.sandboxId, binary);
    const tail = await takeAll(second, await attach(second, pid, head.length));
    const whole = Buffer.concat([head, tail]);
    assert.equal(whole.length, 4 * MiB);
    for (let at = 0; at < whole.length; at += 65_536) {
      assert.ok(whole[at] === 0 && whole[at + 250] === 250 && whole[at + 251] === 0);
    }
    const exit = (await second.call("processWait", { pid })) as { code: number };
    assert.equal(exit.code, 0);
  });

  test("that has ended is there for the one who comes back, until all is taken", async () => {
    await using server = await startControl();
    const first = await open(server);
    const { pid } = await spawn(first, "echo", "hello");
    await first.call("processWait", { pid });
    await cut(first);
    await using second = await server.connect(first.sandboxId, binary);
    const streamId = await attach(second, pid, 0);
    assert.equal((await takeAll(second, streamId)).toString(), "hello\n");
    await second.call("envToObject", {}); // the credit has arrived
    const { error } = await second.ask("processAttach", {
      ...{ pid, stdoutOffset: 6, stderrOffset: null },
    });
    assert.equal(error?.data?.["code"], "OUTPUT_LOST");
  });

  test("is let go when nobody comes for it in time", async () => {
    const clock = new FakeClock();
    await using server = await startControl({ clock });
    const first = await server.create({ stop_at_ms: clock.now() + 1_200_000 }, {}, binary);
    const { pid } = await spawn(first, "sleep");
    await cut(first);
    const child = server.host.machine.guest.processes.get(pid);
    const early = await server.connect(first.sandboxId, binary);
    await early.call("envToObject", {});
    await cut(early);
    assert.equal(child?.isDetached, false);
    clock.advance(limits.keptOutputMs);
    assert.equal(child?.isDetached, true);
    await using second = await server.connect(first.sandboxId, binary);
    await assert.rejects(attach(second, pid, 0), /OUTPUT_LOST/);
  });

  test("belongs to the socket that came last", async () => {
    await using server = await startControl();
    await using first = await open(server);
    const { pid, stdoutStreamId } = await spawn(first, "sleep");
    await using second = await server.connect(first.sandboxId, binary);
    await attach(second, pid, 0);
    const { params } = await first.next(isOf(stdoutStreamId, "error"));
    assert.partialDeepStrictEqual(params, { error: { code: "OUTPUT_TAKEN_OVER" } });
  });

  test("is thrown away when its client cancels the stream", async () => {
    await using server = await startControl();
    await using client = await open(server);
    const { pid, stdoutStreamId } = await spawn(client, "flood", String(4 * MiB));
    client.notify("$sandbox.stream.cancel", { streamId: stdoutStreamId, reason: null });
    assert.equal(((await client.call("processWait", { pid })) as { code: number }).code, 0);
    await assert.rejects(attach(client, pid, 0), /OUTPUT_LOST/);
  });

  test("of which there are too many, the oldest that nobody waits for go", async () => {
    await using server = await startControl();
    await using client = await open(server);
    const pids: number[] = [];
    for (let i = 0; i <= limits.keptProcessesMax; i++) {
      const { pid } = await spawn(client, "echo", String(i));
      await client.call("processWait", { pid });
      pids.push(pid);
    }
    const [oldest = 0, next = 0] = pids;
    await assert.rejects(attach(client, oldest, 0), /OUTPUT_LOST/);
    await attach(client, next, 0);
  });

  test("needs a client that says what it has taken", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const params = { command: "true", stdout: "piped", stderr: "null", keep: true };
    const { error } = await client.ask("spawn", params);
    assert.equal(error?.data?.["code"], "INVALID_PARAMS");
  });
});

suite("a client that speaks skerry.v1", () => {
  test("gets no more of a stream than it has room for, and other streams go on", async () => {
    await using server = await startControl();
    await using client = await server.create({}, {}, binary);
    const params = { command: "flood", stdout: "piped", stderr: "null" } as const;
    const spawned = await client.call("spawn", { ...params, args: [String(4 * MiB)] });
    const { stdoutStreamId } = spawned as Spawned;
    await client.next(() => client.received(stdoutStreamId).length >= limits.streamWindowBytes);
    const other = (await client.call("spawn", { ...params, args: ["1000"] })) as Spawned;
    assert.equal((await client.output(other.stdoutStreamId)).length, 1_000);
    assert.equal(client.received(stdoutStreamId).length, limits.streamWindowBytes);
    assert.equal((await takeAll(client, stdoutStreamId)).length, 4 * MiB);
  });

  test("that sends more than its credit is cut off", async () => {
    await using server = await startControl();
    const client = await server.create({}, {}, binary);
    const streamId = client.startStream();
    const chunk = new Uint8Array(262_144);
    for (let sent = 0; sent <= limits.streamWindowBytes; sent += chunk.length) {
      client.socket.send(encodeStreamData(streamId, chunk));
    }
    assert.equal((await client.closed).code, 4001);
  });

  test("is told when what it sent was taken", async () => {
    await using server = await startControl();
    await using client = await server.create({}, {}, binary);
    const streamId = client.startStream();
    const chunk = new Uint8Array(262_144);
    const params = { command: "cat", stdout: "null", stderr: "null" } as const;
    await client.call("spawn", { ...params, stdinStreamId: streamId });
    for (let i = 0; i < 4; i++) client.socket.send(encodeStreamData(streamId, chunk));
    const isCredit = ({ method }: { readonly method?: string }): boolean => method === "credit";
    const { params: credit } = await client.next(isCredit);
    assert.equal(credit?.["streamId"], streamId);
  });

  test("may offer what it likes: without it, binary messages mean nothing", async () => {
    await using server = await startControl();
    const client = await server.create({}, {}, { protocols: ["graphql", subprotocols.json] });
    assert.equal(client.socket.protocol, subprotocols.json);
    client.socket.send(encodeStreamData(1, new Uint8Array(1)));
    assert.equal((await client.closed).code, 4000);
  });
});
