import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { Connection, type Every } from "./connection.ts";
import { ApiError, ConnectionError } from "./errors.ts";
import { FakeServer } from "./testing/fake-server.ts";

/** A clock that ticks by hand. */
function handClock(): { readonly every: Every; tick(times?: number): void; isRunning(): boolean } {
  let ticking: (() => void) | undefined;
  return {
    every: (_ms, run) => {
      ticking = run;
      return () => (ticking = undefined);
    },
    tick: (times = 1) => {
      for (let i = 0; i < times; i++) ticking?.();
    },
    isRunning: () => ticking !== undefined,
  };
}

function connect(server: FakeServer, every: Every = handClock().every): Connection {
  const url = new URL(server.options.endpoint.replace("http", "ws"));
  return new Connection({ url, headers: { authorization: "Bearer ddo_test" }, every });
}

suite("Connection", () => {
  test("opens with its headers and tells the sandbox's id", async () => {
    await using server = await FakeServer.listen();
    const accepted = server.nextClient();
    const connection = connect(server);
    await connection.opened();
    assert.equal((await accepted).request.headers.authorization, "Bearer ddo_test");
    assert.equal((await accepted).request.headers["sec-websocket-extensions"], undefined);
    assert.equal(connection.sandboxId, "sbx_ord_0123456789abcdefghjk");
    await connection.close();
  });

  for (const [status, body, code, message] of [
    [401, '{"code":"INVALID_TOKEN","message":"No.","remedy":"Do."}', "INVALID_TOKEN", "No."],
    [502, "<html>bad gateway</html>", "HTTP_502", "<html>bad gateway</html>"],
    [500, "", "HTTP_500", "The server answered with status 500."],
    [500, "[1]", "HTTP_500", "The server answered with status 500."],
  ] as const) {
    test(`a refusal with ${status} ${body || "(no body)"} is an ApiError`, async () => {
      await using server = await FakeServer.listen();
      server.refusal = { status, body };
      const connection = connect(server);
      const error = await connection.opened().catch((reason: unknown) => reason);
      assert.ok(error instanceof ApiError);
      assert.deepEqual(
        [error.status, error.code, error.message, error.traceId],
        [status, code, message, "trace-1"],
      );
      await connection.closed;
    });
  }

  test("a server that is not there is a ConnectionError with a remedy", async () => {
    const server = await FakeServer.listen();
    const connection = connect(server);
    await using _ = server;
    await server[Symbol.asyncDispose]();
    const error = await connection.opened().catch((reason: unknown) => reason);
    assert.ok(error instanceof ConnectionError);
    assert.equal(error.code, "CONNECTION_FAILED");
    assert.ok(error.remedy !== undefined);
  });

  test("an abort while connecting gives its reason", async () => {
    await using server = await FakeServer.listen();
    const connection = connect(server);
    const reason = new Error("enough");
    await assert.rejects(connection.opened(AbortSignal.abort(reason)), reason);
    assert.equal((await connection.closed).code, "CONNECTION_CLOSED");
  });

  test("pings at each tick, and an answer keeps it alive", async () => {
    await using server = await FakeServer.listen();
    const clock = handClock();
    const accepted = server.nextClient();
    const connection = connect(server, clock.every);
    await connection.opened();
    const client = await accepted;
    for (let i = 0; i < 20; i++) {
      const ponged = new Promise((resolve) => client.socket.once("message", resolve));
      clock.tick();
      await ponged;
      await roundTrip(connection, client.socket);
    }
    assert.equal(client.pings, 20);
    assert.equal(connection.end, undefined);
    await connection.close();
    assert.equal(clock.isRunning(), false);
  });

  test("a server that falls silent is given up", async () => {
    await using server = await FakeServer.listen();
    server.isAlive = false;
    const clock = handClock();
    const connection = connect(server, clock.every);
    await connection.opened();
    clock.tick(8);
    assert.equal(connection.end, undefined);
    clock.tick();
    assert.equal((await connection.closed).code, "CONNECTION_SILENT");
    assert.equal(clock.isRunning(), false);
  });

  test("nothing is sent after the end", async () => {
    await using server = await FakeServer.listen();
    const connection = connect(server);
    await connection.opened();
    await connection.close();
    assert.throws(() => connection.send("x"), ConnectionError);
    await assert.rejects(connection.sendPaced("x"), ConnectionError);
  });

  test("a close by the server tells its code and reason", async () => {
    await using server = await FakeServer.listen();
    const accepted = server.nextClient();
    const connection = connect(server);
    await connection.opened();
    (await accepted).socket.close(1001, "sandbox ended");
    const end = await connection.closed;
    assert.equal(end.closeCode, 1001);
    assert.match(end.message, /sandbox ended/);
  });
});

/** Resolves when what the server sent before has arrived. */
async function roundTrip(
  connection: Connection,
  socket: { send(text: string): void },
): Promise<void> {
  const arrived = new Promise<void>((resolve) => (connection.onMessage = () => resolve()));
  socket.send("{}");
  await arrived;
}
