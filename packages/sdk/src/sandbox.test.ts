import assert from "node:assert/strict";
import { suite, test } from "node:test";

import {
  ApiError,
  Client,
  ConnectionError,
  InvalidOptionError,
  KillController,
  Sandbox,
  SandboxCommandError,
} from "./index.ts";
import { FakeServer, ok, testId, type FakeClient, type Handlers } from "./testing/fake-server.ts";

const exit = (code: number, signal: string | null = null, oom: string | null = null): object =>
  ok({ success: code === 0, code, signal, oom });

/** A sandbox whose every command prints these and ends with this code. */
function printing(stdout: string, stderr = "", code = 0, oom: string | null = null): Handlers {
  let nextStream = 100;
  const print = (client: FakeClient, mode: unknown, text: string): number | null => {
    if (mode === "null") return null;
    const streamId = nextStream++;
    client.notify("$sandbox.stream.start", { streamId });
    client.enqueue(streamId, text);
    client.notify("$sandbox.stream.end", { streamId });
    return streamId;
  };
  return {
    spawn: (params, client) =>
      ok({
        pid: 42,
        stdoutStreamId: print(client, params["stdout"], stdout),
        stderrStreamId: print(client, params["stderr"], stderr),
      }),
    processWait: () => exit(code, null, oom),
  };
}

/** A sandbox whose commands run until they are killed. */
function running(): Handlers {
  const ended = Promise.withResolvers<object>();
  return {
    spawn: () => ok({ pid: 42, stdoutStreamId: null, stderrStreamId: null }),
    processWait: () => ended.promise,
    processKill: ({ signal }) => {
      ended.resolve(exit(signal === "SIGTERM" ? 143 : 137, String(signal)));
      return ok();
    },
  };
}

suite("Sandbox", () => {
  test("create() asks with its token and config, in one handshake", async () => {
    await using server = await FakeServer.listen();
    await using sandbox = await Sandbox.create({
      ...server.options,
      env: { A: "b" },
      region: "ams",
    });
    assert.equal(sandbox.id, testId);
    const [client] = server.clients;
    assert.ok(client !== undefined);
    assert.equal(client.request.url, "/api/v3/sandboxes/create");
    assert.equal(client.request.headers.authorization, "Bearer ddo_test");
    assert.equal(client.request.headers["x-skerry-region"], "ams");
    const config = Buffer.from(String(client.request.headers["x-deno-sandbox-config"]), "base64");
    assert.deepEqual(JSON.parse(config.toString()), { env: { A: "b" } });
    assert.deepEqual(client.received, []);
  });

  test("connect() takes an id, alone or among the options", async () => {
    await using server = await FakeServer.listen();
    await using first = await Sandbox.connect(testId, server.options);
    await using second = await Sandbox.connect({ id: testId, ...server.options });
    assert.deepEqual([first.id, second.id], [testId, testId]);
    for (const { request } of server.clients) {
      assert.equal(request.url, `/api/v3/sandbox/${testId}/connect`);
      assert.equal(request.headers["x-deno-sandbox-config"], undefined);
    }
    await assert.rejects(Sandbox.connect("../x", server.options), InvalidOptionError);
  });

  test("a refusal is an ApiError with the server's code", async () => {
    await using server = await FakeServer.listen();
    server.refusal = { status: 501, body: '{"code":"NOT_IMPLEMENTED","message":"Not yet."}' };
    await assert.rejects(Sandbox.create({ ...server.options, allowNet: [] }), (error) => {
      assert.ok(error instanceof ApiError);
      return error.code === "NOT_IMPLEMENTED" && error.status === 501;
    });
  });

  test("close() ends the connection, and `closed` tells that it was we", async () => {
    await using server = await FakeServer.listen();
    const sandbox = await Sandbox.create(server.options);
    await sandbox.close();
    await sandbox.close();
    assert.match((await sandbox.closed).message, /by this client/);
    await assert.rejects(sandbox.env.get("A"), ConnectionError);
  });

  test("kill() and extendTimeout() go over HTTP", async () => {
    await using server = await FakeServer.listen();
    server.respond = (line) =>
      line.startsWith("DELETE")
        ? { status: 200, body: "" }
        : { status: 200, body: '{"stop_at_ms":5000}' };
    const sandbox = await Sandbox.create(server.options);
    const before = Date.now();
    assert.deepEqual(await sandbox.extendTimeout("5m"), new Date(5000));
    await sandbox.kill();
    assert.deepEqual(
      server.requests.map(({ line }) => line),
      [`PATCH /api/v3/sandbox/${testId}`, `DELETE /api/v3/sandbox/${testId}`],
    );
    const asked = JSON.parse(server.requests[0]?.body ?? "") as { readonly stop_at_ms: number };
    assert.ok(asked.stop_at_ms >= before + 300_000 && asked.stop_at_ms <= Date.now() + 300_000);
    assert.equal((await sandbox.closed).code, "CONNECTION_CLOSED");
  });

  test("printing one shows its id and no token", async () => {
    await using server = await FakeServer.listen();
    await using sandbox = await Sandbox.create(server.options);
    const { inspect } = await import("node:util");
    assert.equal(inspect(sandbox), `Sandbox { id: '${testId}' }`);
  });
});

suite("sh", () => {
  test("runs bash with the escaped text, lazily, and gives the text", async () => {
    await using server = await FakeServer.listen(printing("out\n"));
    await using sandbox = await Sandbox.create(server.options);
    const command = sandbox.sh`echo ${"a b"} ${["c", "d'e"]}`.cwd("/tmp").env("A", "1").sudo();
    assert.equal(server.clients[0]?.received.length, 0);
    assert.equal(await command.text(), "out\n");
    const sent = server.clients[0]?.received.find(({ method }) => method === "spawn")?.params;
    assert.deepEqual(sent, {
      command: "bash",
      args: ["-c", "sudo echo 'a b' c 'd'\\''e'"],
      env: { BASH_ENV: "$HOME/.bashrc", A: "1" },
      cwd: "/tmp",
      stdout: "piped",
      stderr: "piped",
    });
  });

  test("json() parses, and says what is no JSON", async () => {
    await using server = await FakeServer.listen(printing('{"a":1}'));
    await using sandbox = await Sandbox.create(server.options);
    assert.deepEqual(await sandbox.sh`x`.json(), { a: 1 });
    server.handlers = printing("oops");
    await assert.rejects(sandbox.sh`x`.json(), /did not print JSON: oops/);
  });

  test("a failing command throws its code and stderr, not its text", async () => {
    await using server = await FakeServer.listen(printing("", "bad thing", 42));
    await using sandbox = await Sandbox.create(server.options);
    const command = sandbox.sh`curl -H ${"secret"}`.stdout("piped").stderr("piped");
    const error = await command.result().catch((reason: unknown) => reason);
    assert.ok(error instanceof SandboxCommandError);
    assert.deepEqual([error.code, error.stderr, error.oom], [42, "bad thing", false]);
    assert.equal(error.message, "Command failed with exit code 42\nbad thing");
  });

  test("a command that ran out of memory says so", async () => {
    await using server = await FakeServer.listen(printing("", "", 137, "high-confidence"));
    await using sandbox = await Sandbox.create(server.options);
    const command = sandbox.sh`x`.stdout("null").stderr("null");
    await assert.rejects(command.result(), /exit code 137 \(process ran out of memory\)/);
  });

  test("noThrow() stays, whatever is said after it", async () => {
    await using server = await FakeServer.listen(printing("partial", "bad", 3));
    await using sandbox = await Sandbox.create(server.options);
    const quiet = sandbox.sh`x`.noThrow().stderr("piped");
    assert.equal(await quiet.text(), "partial");
    const { status, stdout, stdoutText, stderrText } = await quiet.stdout("piped");
    assert.deepEqual(status, { success: false, code: 3, signal: null, oom: false });
    assert.deepEqual([stdout?.byteLength, stdoutText, stderrText], [7, "partial", "bad"]);
  });

  test("a KillController ends it with the code of the signal", async () => {
    await using server = await FakeServer.listen(running());
    await using sandbox = await Sandbox.create(server.options);
    const controller = new KillController();
    const spawned = server.clients[0]?.next("processWait");
    const result = sandbox.sh`sleep 30`.signal(controller.signal).noThrow().result();
    await spawned;
    controller.kill();
    assert.deepEqual((await result).status, {
      success: false,
      code: 143,
      signal: "SIGTERM",
      oom: false,
    });
    const spawns = (): number =>
      server.clients[0]?.received.filter(({ method }) => method === "spawn").length ?? 0;
    assert.equal(spawns(), 1);
    await assert.rejects(sandbox.sh`x`.signal(controller.signal).text(), { code: 143 });
    await assert.rejects(sandbox.sh`x`.signal(AbortSignal.abort()).text(), { code: 143 });
    assert.equal(spawns(), 1);
  });

  test("an AbortSignal ends it with SIGTERM", async () => {
    await using server = await FakeServer.listen(running());
    await using sandbox = await Sandbox.create(server.options);
    const controller = new AbortController();
    const spawned = server.clients[0]?.next("processWait");
    const result = sandbox.sh`sleep 30`.signal(controller.signal);
    const settled = assert.rejects(result.result(), { code: 143 });
    await spawned;
    controller.abort();
    await settled;
  });
});

suite("spawn()", () => {
  test("sends what is written to stdin, in order, and its end", async () => {
    await using server = await FakeServer.listen(running());
    await using sandbox = await Sandbox.create(server.options);
    const child = await sandbox.spawn("cat", { args: ["-"], stdin: "piped", stdout: "null" });
    const ended = server.clients[0]?.next("$sandbox.stream.end");
    const writer = child.stdin?.getWriter();
    await writer?.write(new TextEncoder().encode("a"));
    await writer?.write(new Uint8Array([0, 255]));
    await writer?.close();
    await ended;
    const messages = server.clients[0]?.received.filter(({ method }) => method.startsWith("$"));
    assert.deepEqual(
      messages?.map(({ method, params }) => [method, params["streamId"], params["data"]]),
      [
        ["$sandbox.stream.start", 0, undefined],
        ["$sandbox.stream.enqueue", 0, "YQ=="],
        ["$sandbox.stream.enqueue", 0, "AP8="],
        ["$sandbox.stream.end", 0, undefined],
      ],
    );
    await child.kill("SIGKILL");
    assert.equal((await child.status).code, 137);
  });

  test("a program that is not there fails, and its stdin with it", async () => {
    const error = { constructorName: "NotFound", message: "no such program", code: "ENOENT" };
    await using server = await FakeServer.listen({ spawn: () => ({ error }) });
    await using sandbox = await Sandbox.create(server.options);
    const told = server.clients[0]?.next("$sandbox.stream.error");
    await assert.rejects(sandbox.spawn("nope", { stdin: "piped" }), { name: "NotFound" });
    await told;
  });

  test("an abort while it starts kills it when it has started", async () => {
    const started = Promise.withResolvers<object>();
    await using server = await FakeServer.listen({ ...running(), spawn: () => started.promise });
    await using sandbox = await Sandbox.create(server.options);
    const controller = new AbortController();
    const asked = server.clients[0]?.next("envGet");
    const spawned = sandbox.spawn("sleep", { args: ["9"], signal: controller.signal });
    sandbox.env.get("A").catch(() => {}); // its only use is that it comes after the spawn
    await asked;
    controller.abort();
    started.resolve(ok({ pid: 42, stdoutStreamId: null, stderrStreamId: null }));
    assert.equal((await (await spawned).status).code, 143);
    await assert.rejects(sandbox.spawn("x", { signal: controller.signal }), { name: "AbortError" });
  });

  test("killing a process that is gone is no failure", async () => {
    const error = { constructorName: "NotFound", message: "no process", code: "ESRCH" };
    await using server = await FakeServer.listen({
      ...printing(""),
      processKill: () => ({ error }),
    });
    await using sandbox = await Sandbox.create(server.options);
    await using child = await sandbox.spawn("true");
    await child.kill();
    assert.equal((await child.output()).status.success, true);
  });
});

suite("Client", () => {
  test("lists with labels, and gives dates", async () => {
    await using server = await FakeServer.listen();
    const summary = {
      id: testId,
      region: "ord",
      status: "running",
      createdAt: "2026-01-02T03:04:05.000Z",
      stoppedAt: null,
      labels: { a: "b" },
      memoryMb: 1280,
      stopAt: null,
      more: 1,
    };
    server.respond = () => ({ status: 200, body: JSON.stringify([summary]) });
    const client = new Client(server.options);
    const { more: _, ...expected } = summary;
    assert.deepEqual(await client.sandboxes.list({ labels: { "a&b": "c d" } }), [
      { ...expected, createdAt: new Date(summary.createdAt) },
    ]);
    assert.equal(server.requests[0]?.line, "GET /api/v2/sandboxes?labels%5Ba%26b%5D=c+d");
  });

  test("creates and connects on its server", async () => {
    await using server = await FakeServer.listen();
    const client = new Client(server.options);
    await using _created = await client.sandboxes.create();
    await using _connected = await client.sandboxes.connect(testId);
    assert.equal(server.clients.length, 2);
  });

  test("exposes a port or a process, and signs addresses of private names", async () => {
    const bound: Record<string, unknown>[] = [];
    const exposeHttp = (params: Record<string, unknown>): object => {
      bound.push(params);
      return ok();
    };
    await using server = await FakeServer.listen({ exposeHttp });
    const domain = "name.skerry.localhost:8443";
    server.respond = (line) => ({
      status: 200,
      body: JSON.stringify({ domain, url: `https://${domain}/?${line.endsWith("urls")}` }),
    });
    await using sandbox = await Sandbox.create({ ...server.options, port: 8080 });
    assert.equal(sandbox.url, `https://${domain}`);
    assert.equal(await sandbox.exposeHttp({ pid: 7 }), `https://${domain}`);
    const isPrivate = { port: 80, private: true, expires: "1h" } as const;
    assert.equal(await sandbox.exposeHttp(isPrivate), `https://${domain}/?false`);
    assert.equal(await sandbox.signUrl(`https://${domain}/x`), `https://${domain}/?true`);
    assert.deepEqual(bound, [
      { domain, port: 8080 },
      { domain, pid: 7 },
      { domain, port: 80 },
    ]);
    assert.deepEqual(
      server.requests.map(({ line, body }) => [line, JSON.parse(body) as unknown]),
      [
        [`POST /api/v3/sandbox/${testId}/expose/http`, {}],
        [`POST /api/v3/sandbox/${testId}/expose/http`, {}],
        [`POST /api/v3/sandbox/${testId}/expose/http`, { private: true, expires_in_ms: 3_600_000 }],
        [`POST /api/v1/sandboxes/${testId}/urls`, { url: `https://${domain}/x` }],
      ],
    );
    for (const target of [{}, { port: 1, pid: 2 }, { port: 0 }, { port: 1.5 }]) {
      await assert.rejects(sandbox.exposeHttp(target), InvalidOptionError);
    }
  });

  test("leaves no sandbox whose port it could not expose", async () => {
    await using server = await FakeServer.listen();
    server.respond = (line) =>
      line.startsWith("DELETE")
        ? { status: 204, body: "" }
        : { status: 501, body: '{"code":"INGRESS_OFF","message":"No."}' };
    const create = Sandbox.create({ ...server.options, port: 80 });
    await assert.rejects(create, { code: "INGRESS_OFF" });
    assert.ok(server.requests.some(({ line }) => line.startsWith("DELETE")));
    await assert.rejects(Sandbox.create({ ...server.options, port: 0 }), InvalidOptionError);
    assert.equal(server.clients.length, 1, "what makes no sense is not sent");
  });

  test("a server that is not there is a ConnectionError, an abort its reason", async () => {
    const server = await FakeServer.listen();
    const client = new Client(server.options);
    await server[Symbol.asyncDispose]();
    await assert.rejects(client.sandboxes.list(), { code: "CONNECTION_FAILED" });
    const signal = AbortSignal.abort(new Error("enough"));
    await assert.rejects(client.sandboxes.list({ signal }), /enough/);
  });

  test("an answer that makes no sense says so", async () => {
    await using server = await FakeServer.listen();
    const client = new Client(server.options);
    for (const body of ["<html>", "{}", '[{"id":"x"}]']) {
      server.respond = () => ({ status: 200, body });
      await assert.rejects(client.sandboxes.list(), { code: "INVALID_ANSWER" });
    }
  });

  test("reads how the server is, whatever it leaves out", async () => {
    await using server = await FakeServer.listen();
    const client = new Client(server.options);
    server.respond = () => ({
      status: 200,
      body: '{"version":"0.1.0","host":{"acceleration":{"kind":"tcg","reason":"no KVM"},"machines":2}}',
    });
    assert.deepEqual(await client.status(), {
      version: "0.1.0",
      acceleration: { kind: "tcg", reason: "no KVM" },
      poolReady: undefined,
      machines: 2,
    });
  });
});
