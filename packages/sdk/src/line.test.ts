import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { ApiError } from "./errors.ts";
import { Sandbox } from "./sandbox.ts";
import { FakeServer, ok, testId, type FakeClient } from "./testing/fake-server.ts";

/** A server whose process writes `text` and lets it be rejoined. */
async function serverOfProcess(text: string): Promise<FakeServer> {
  const server = await FakeServer.listen();
  server.isBinary = true;
  let streamId = 0;
  const send = (client: FakeClient, from: number, until: number): number => {
    streamId += 1;
    client.notify("$sandbox.stream.start", { streamId });
    if (until > from) client.enqueue(streamId, text.slice(from, until));
    if (until === text.length) client.notify("$sandbox.stream.end", { streamId });
    return streamId;
  };
  const exit = ok({ success: true, code: 0, signal: null, oom: null });
  server.handlers = {
    spawn: (_params, client) =>
      ok({ pid: 7, stdoutStreamId: send(client, 0, 4), stderrStreamId: null }),
    processAttach: ({ stdoutOffset }, client) =>
      ok({
        pid: 7,
        stdoutStreamId: send(client, Number(stdoutOffset), text.length),
        stderrStreamId: null,
      }),
    processWait: (_params, client) =>
      client === server.clients[0] ? Promise.withResolvers<object>().promise : exit,
    envGet: ({ key }) => ok(String(key)),
  };
  return server;
}

suite("a sandbox that outlives its connection", () => {
  test("has its processes back when the connection drops, to the last byte", async () => {
    await using server = await serverOfProcess("one two three");
    await using sandbox = await Sandbox.connect(testId, server.options);
    const child = await sandbox.spawn("x", { stdout: "piped", stderr: "null" });
    assert.equal(server.clients[0]?.received[0]?.params["keep"], true);
    const reader = child.stdout?.getReader();
    assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), "one ");
    server.clients[0]?.socket.terminate();
    assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), "two three");
    assert.equal((await reader?.read())?.done, true);
    assert.equal((await child.status).code, 0);
    assert.deepEqual(server.clients[1]?.request.url, `/api/v3/sandbox/${testId}/connect`);
  });

  test("fails the calls that were on their way, and goes on with the next", async () => {
    await using server = await serverOfProcess("one two");
    server.handlers = { ...server.handlers, envSet: () => Promise.withResolvers<object>().promise };
    await using sandbox = await Sandbox.connect(testId, server.options);
    const lost = sandbox.env.set("A", "1");
    await server.clients[0]?.next("envSet");
    server.clients[0]?.socket.terminate();
    await assert.rejects(lost, { code: "CONNECTION_CLOSED" });
    assert.equal(await sandbox.env.get("B"), "B");
  });

  test("says why when there is no way back", async () => {
    await using server = await serverOfProcess("one two");
    const sandbox = await Sandbox.connect(testId, server.options);
    const child = await sandbox.spawn("x", { stdout: "piped", stderr: "null" });
    server.refusal = { status: 404, body: '{"code":"SANDBOX_NOT_FOUND","message":"Gone."}' };
    server.clients[0]?.socket.terminate();
    const end = await sandbox.closed;
    assert.match(end.message, /Coming back failed/);
    assert.ok(end.cause instanceof ApiError && end.cause.code === "SANDBOX_NOT_FOUND");
    await assert.rejects(child.status, end);
    await assert.rejects(sandbox.env.get("A"), end);
  });

  test("does not come back after a goodbye, of the server or of its own", async () => {
    await using server = await serverOfProcess("one two");
    const told = await Sandbox.connect(testId, server.options);
    server.clients[0]?.socket.close(1001, "The sandbox was killed.");
    assert.match((await told.closed).message, /The sandbox was killed/);
    const own = await Sandbox.connect(testId, server.options);
    await own.close();
    assert.match((await own.closed).message, /closed by this client/);
    assert.equal(server.clients.length, 2);
  });

  test("stops coming back when it is closed meanwhile", async () => {
    await using server = await serverOfProcess("one two");
    const sandbox = await Sandbox.connect(testId, server.options);
    server.refusal = { status: 503, body: "{}" };
    server.clients[0]?.socket.terminate();
    const waiting = sandbox.env.get("A");
    await Promise.all([assert.rejects(waiting), sandbox.close(), sandbox.closed]);
  });

  test("a session sandbox ends with its connection", async () => {
    await using server = await serverOfProcess("one two");
    const sandbox = await Sandbox.create(server.options);
    await sandbox.spawn("x", { stdout: "piped", stderr: "null" });
    assert.equal(server.clients[0]?.received[0]?.params["keep"], undefined);
    server.clients[0]?.socket.terminate();
    assert.equal((await sandbox.closed).code, "CONNECTION_CLOSED");
    assert.equal(server.clients.length, 1);
  });
});
