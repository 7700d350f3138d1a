import assert from "node:assert/strict";
import { suite, test } from "node:test";

import fc from "fast-check";

import { Connection } from "./connection.ts";
import { ConnectionError, OperationError, RpcError } from "./errors.ts";
import { Line } from "./line.ts";
import { Rpc } from "./rpc.ts";
import { FakeServer, ok, type FakeClient, type Handlers } from "./testing/fake-server.ts";

interface Wired extends AsyncDisposable {
  readonly rpc: Rpc;
  readonly connection: Connection;
  readonly client: FakeClient;
}

async function wire(handlers: Handlers = {}): Promise<Wired> {
  const server = await FakeServer.listen(handlers);
  const accepted = server.nextClient();
  const url = new URL(server.options.endpoint.replace("http", "ws"));
  const connection = new Connection({ url, headers: {} });
  const rpc = new Rpc(new Line(connection));
  await connection.opened();
  const dispose = async (): Promise<void> => {
    await connection.close();
    await server[Symbol.asyncDispose]();
  };
  return { rpc, connection, client: await accepted, [Symbol.asyncDispose]: dispose };
}

suite("Rpc", () => {
  test("calls a method with its parameters and gives its value", async () => {
    await using wired = await wire({ envGet: ({ key }) => ok(`value of ${String(key)}`) });
    assert.equal(await wired.rpc.call("envGet", { key: "A" }), "value of A");
  });

  test("a value that is left out or null is undefined where the method may give none", async () => {
    await using wired = await wire({ envGet: ({ key }) => (key === "A" ? {} : ok(null)) });
    assert.equal(await wired.rpc.call("envGet", { key: "A" }), undefined);
    assert.equal(await wired.rpc.call("envGet", { key: "B" }), undefined);
  });

  test("answers find their calls in whatever order they come", async () => {
    const first = Promise.withResolvers<object>();
    await using wired = await wire({
      envGet: ({ key }) => (key === "slow" ? first.promise : ok("fast")),
    });
    const slow = wired.rpc.call("envGet", { key: "slow" });
    assert.equal(await wired.rpc.call("envGet", { key: "quick" }), "fast");
    first.resolve(ok("slow"));
    assert.equal(await slow, "slow");
  });

  test("a failure in the sandbox has the class and the error number, and its cause", async () => {
    const cause = { constructorName: "Error", message: "deep" };
    const error = { constructorName: "NotFound", message: "no such file", code: "ENOENT", cause };
    await using wired = await wire({ realPath: () => ({ error }) });
    const thrown = await wired.rpc.call("realPath", { path: "x" }).catch((e: unknown) => e);
    assert.ok(thrown instanceof OperationError);
    assert.deepEqual(
      [thrown.name, thrown.code, thrown.message],
      ["NotFound", "ENOENT", "no such file"],
    );
    assert.ok(thrown.cause instanceof OperationError);
    assert.equal(thrown.cause.message, "deep");
  });

  test("an answer with a JSON-RPC error is an RpcError with the name of its code", async () => {
    await using wired = await wire();
    const asked = wired.client.next("realPath");
    const call = wired.rpc.call("realPath", { path: "x" });
    const { id } = await asked;
    const error = { code: -32601, message: "Method not found", data: 5 };
    wired.client.socket.send(JSON.stringify({ jsonrpc: "2.0", id, error }));
    const thrown = await call.catch((e: unknown) => e);
    assert.ok(thrown instanceof RpcError);
    assert.deepEqual([thrown.code, thrown.rpcCode, thrown.data], ["METHOD_NOT_FOUND", -32601, 5]);
  });

  for (const [name, answer] of [
    ["of the wrong type", ok(5)],
    ["without a value", {}],
    ["with an odd error", { error: 5 }],
  ] as const) {
    test(`an answer ${name} is an RpcError`, async () => {
      await using wired = await wire({ realPath: () => answer });
      await assert.rejects(wired.rpc.call("realPath", { path: "x" }), { code: "INVALID_ANSWER" });
    });
  }

  test("every pending call rejects with one error when the socket closes", async () => {
    await using wired = await wire();
    const asked = wired.client.next("realPath");
    const calls = ["a", "b"].map((path) => wired.rpc.call("realPath", { path }));
    const stream = wired.rpc.streams.take(7).getReader();
    await asked;
    wired.client.socket.close(1011, "machine crashed");
    const results = await Promise.allSettled([...calls, stream.read()]);
    const reasons = results.map(
      (result) => result.status === "rejected" && (result.reason as unknown),
    );
    assert.ok(reasons[0] instanceof ConnectionError);
    assert.match(reasons[0].message, /machine crashed/);
    assert.deepEqual(reasons, [reasons[0], reasons[0], reasons[0]]);
    await assert.rejects(wired.rpc.call("envGet", { key: "A" }), reasons[0]);
  });

  test("an abort ends the wait, and is told where the method can be told", async () => {
    await using wired = await wire({ abort: () => ok() });
    const controller = new AbortController();
    const told = wired.client.next("abort");
    const asked = wired.client.next("readFile");
    const call = wired.rpc.callAbortable("readFile", { path: "x" }, controller.signal);
    const { id, params } = await asked;
    const reason = new Error("enough");
    controller.abort(reason);
    await assert.rejects(call, reason);
    assert.equal((await told).params["abortId"], params["abortId"]);
    wired.client.socket.send(JSON.stringify({ jsonrpc: "2.0", id, result: ok("") })); // too late
    await assert.rejects(wired.rpc.call("realPath", { path: "x" }, controller.signal), reason);
  });

  test("nothing is sent when the signal is aborted already", async () => {
    await using wired = await wire({ envGet: () => ok("") });
    const signal = AbortSignal.abort(new Error("early"));
    await assert.rejects(wired.rpc.callAbortable("readFile", { path: "x" }, signal), /early/);
    await wired.rpc.call("envGet", { key: "A" });
    assert.deepEqual(
      wired.client.received.map(({ method }) => method),
      ["envGet"],
    );
  });

  for (const [text, code] of [
    ["{", 4000],
    ["5", 4001],
    ['{"jsonrpc":"2.0","id":1,"method":"x"}', 4001],
    ['{"jsonrpc":"2.0","result":{}}', 4001],
    [
      '{"jsonrpc":"2.0","method":"$sandbox.stream.enqueue","params":{"streamId":1,"data":"?"}}',
      4001,
    ],
  ] as const) {
    test(`${text} closes the connection with ${code}`, async () => {
      await using wired = await wire();
      const closed = new Promise((resolve) => wired.client.socket.once("close", resolve));
      wired.client.socket.send(text);
      assert.equal(await closed, code);
    });
  }

  test("what a newer server may say does no harm", async () => {
    await using wired = await wire({ envGet: () => ok("") });
    wired.client.notify("$sandbox.news", { a: 1 });
    wired.client.socket.send('{"jsonrpc":"2.0","id":99,"result":{},"more":true}');
    wired.client.notify("$sandbox.stream.end", { streamId: 1234 });
    assert.equal(await wired.rpc.call("envGet", { key: "A" }), "");
  });

  test("whatever message arrives, the client only ever closes the connection", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json(), fc.string()), async (text) => {
        await using wired = await wire();
        const call = wired.rpc.call("envGet", { key: "A" }).catch((error: unknown) => error);
        wired.client.socket.send(text);
        wired.client.socket.close();
        assert.ok((await call) instanceof Error);
      }),
      { numRuns: 50 },
    );
  });
});
