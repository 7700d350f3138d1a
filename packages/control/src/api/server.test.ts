import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { suite, test } from "node:test";

import { allowNetOf, limits } from "@skerry/protocol";

import { startControl, type Fixture } from "../testing/control-fixture.ts";
import { FakeClock } from "../testing/fake-clock.ts";

const unknownId = "sbx_ord_00000000000000000000";

suite("the HTTP API", () => {
  for (const [name, authorization] of [
    ["no token", ""],
    ["a wrong token", "Bearer ddo_0000000000000000000000000000000000000000"],
    ["another scheme", "Basic ZGRvXzA6"],
  ] as const) {
    test(`refuses every path with ${name}`, async () => {
      await using server = await startControl();
      for (const path of ["/", "/api/v2/sandboxes", "/api/v1/status", "/api/v2/apps/x"]) {
        const response = await server.fetch(path, { authorization });
        assert.equal(response.status, 401);
        assert.match(response.headers.get("x-deno-trace-id") ?? "", /^[0-9a-f]{32}$/);
        const body = (await response.json()) as Record<string, unknown>;
        assert.equal(body["code"], "INVALID_TOKEN");
        assert.equal(typeof body["message"], "string");
      }
    });
  }

  for (const [method, path, status, code] of [
    ["GET", "/", 404, "NOT_FOUND"],
    ["POST", "/api/v2/sandboxes", 404, "NOT_FOUND"],
    ["GET", "/api/v3/sandboxes/create", 400, "INVALID_REQUEST"],
    ["DELETE", `/api/v3/sandbox/${unknownId}`, 404, "SANDBOX_NOT_FOUND"],
    ["DELETE", "/api/v3/sandbox/not-an-id", 404, "SANDBOX_NOT_FOUND"],
    ["GET", `/api/v1/sandboxes/${unknownId}/events`, 404, "SANDBOX_NOT_FOUND"],
    ["GET", "/api/v2/apps/x", 501, "NOT_IMPLEMENTED"],
    ["GET", "/api/v2/volumes", 501, "NOT_IMPLEMENTED"],
    ["POST", `/api/v3/sandbox/${unknownId}/expose/ssh`, 404, "SANDBOX_NOT_FOUND"],
    ["POST", `/api/v3/sandbox/${unknownId}/expose/vscode`, 404, "SANDBOX_NOT_FOUND"],
    ["POST", `/api/v2/sandboxes/${unknownId}/deploy`, 501, "NOT_IMPLEMENTED"],
  ] as const) {
    test(`answers ${method} ${path} with ${code}`, async () => {
      await using server = await startControl();
      const response = await server.fetch(path, { method });
      assert.equal(response.status, status);
      assert.equal(((await response.json()) as { code: string }).code, code);
    });
  }

  test("lists sandboxes as the clients read them, newest first and by label", async () => {
    const clock = new FakeClock();
    await using server = await startControl({ clock });
    await using red = await server.create({ labels: { team: "red" }, memory_mb: 1024 });
    clock.advance(1);
    const blue = await server.create({
      labels: { team: "blue" },
      stop_at_ms: clock.now() + 60_000,
    });
    await server.fetch(`/api/v3/sandbox/${blue.sandboxId}`, { method: "DELETE" });
    const list = async (query = "") =>
      (await (await server.fetch(`/api/v2/sandboxes${query}`)).json()) as Record<string, unknown>[];
    const [first, second] = await list();
    assert.deepEqual(first, {
      ...{ id: blue.sandboxId, region: "ord", status: "stopped", labels: { team: "blue" } },
      ...{ memoryMb: 1280, createdAt: iso(clock.now()), stoppedAt: iso(clock.now()) },
      stopAt: iso(clock.now() + 60_000),
    });
    assert.deepEqual(second, {
      ...{ id: red.sandboxId, region: "ord", status: "running", labels: { team: "red" } },
      ...{ memoryMb: 1024, createdAt: iso(clock.now() - 1), stoppedAt: null, stopAt: null },
    });
    assert.deepEqual(await list("?labels[team]=red"), [second]);
    const python = await server.fetch("/api/v3/sandboxes?labels=%7B%27team%27%3A+%27red%27%7D");
    assert.deepEqual(await python.json(), [second]);
    const one = await server.fetch(`/api/v3/sandbox/${red.sandboxId}`);
    assert.deepEqual(await one.json(), second);
  });

  for (const path of ["sandbox", "sandboxes"]) {
    test(`kills by DELETE /api/v3/${path}/{id}, after which nothing is left`, async () => {
      await using server = await startControl();
      const client = await server.create({ stop_at_ms: Date.now() + 60_000 });
      const target = `/api/v3/${path}/${client.sandboxId}`;
      const response = await server.fetch(target, { method: "DELETE" });
      assert.equal(response.status, 204);
      assert.equal(server.host.machines.size, 0);
      assert.deepEqual(await client.closed, { code: 1001, reason: "The sandbox was killed." });
      assert.equal((await server.fetch(target, { method: "DELETE" })).status, 404);
    });
  }

  test("answers a kill when the machine is slow to go", async () => {
    const clock = new FakeClock();
    await using server = await startControl({ clock });
    const client = await server.create();
    const going = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    server.host.beforeDispose = async () => {
      started.resolve();
      await going.promise;
    };
    const answer = server.fetch(`/api/v3/sandbox/${client.sandboxId}`, { method: "DELETE" });
    await started.promise;
    await client.closed; // the client need not wait
    clock.advance(limits.killAnswerMs);
    assert.equal((await answer).status, 202);
    going.resolve();
  });

  test("tells, replaces and removes the secrets of a running sandbox, and never says a value", async () => {
    await using server = await startControl();
    const first = { hosts: ["api.example"], value: "hush-first" };
    await using _client = await server.create({ secrets: { FIRST: first } });
    const { machine } = server.host;
    const path = `/api/v1/sandboxes/${machine.id}/secrets`;
    const ask = async (method: string, name: string, body?: unknown) => {
      const response = await server.fetch(`${path}/${name}`, {
        ...{ method, ...(body !== undefined && { body: JSON.stringify(body) }) },
      });
      const text = await response.text();
      assert.doesNotMatch(text, /hush/);
      return [response.status, text === "" ? null : (JSON.parse(text) as unknown)];
    };
    const summary = { name: "FIRST", hosts: ["api.example:443"], in: ["header"] };
    assert.deepEqual(await (await server.fetch(path)).json(), { secrets: [summary] });
    const [before] = machine.network.secrets;
    assert.deepEqual(await ask("PUT", "FIRST", { value: "hush-next" }), [200, summary]);
    const [after] = machine.network.secrets;
    assert.deepEqual(after, { ...before, value: "hush-next" });
    const other = { hosts: ["b.example:8443"], value: "hush-other", in: ["header", "query"] };
    const otherSummary = { name: "OTHER", hosts: other.hosts, in: other.in };
    assert.deepEqual(await ask("PUT", "OTHER", other), [200, otherSummary]);
    const placeholder = machine.network.secrets[1]?.placeholder;
    assert.equal(await machine.guest.call("env.get", { key: "OTHER" }), placeholder);
    for (const wrong of [{ value: "" }, { value: 1 }, { hosts: [] }, { value: "a\nb" }, 7]) {
      assert.equal((await ask("PUT", "FIRST", wrong))[0], 400);
    }
    assert.equal((await ask("PUT", "NEW", { value: "hush" }))[0], 400);
    assert.equal((await ask("PUT", "N-W", first))[0], 400);
    assert.deepEqual(await ask("DELETE", "FIRST"), [204, null]);
    assert.equal((await ask("DELETE", "FIRST"))[0], 404);
    assert.deepEqual(
      machine.network.secrets.map(({ name }) => name),
      ["OTHER"],
    );
    assert.equal(await machine.guest.call("env.get", { key: "FIRST" }), null);
    assert.doesNotMatch(server.log.join(""), /hush/);
    const events = JSON.stringify(await server.store.events.list(machine.id));
    assert.doesNotMatch(events, /hush/);
    assert.match(events, /secret-changed.*secret-removed/);
    const [sealed] = await server.store.secrets.list(machine.id);
    assert.ok(!Buffer.from(sealed?.sealed ?? []).includes("hush"));
  });

  test("tells and replaces what a running sandbox may reach", async () => {
    await using server = await startControl();
    await using client = await server.create({ allow_net: ["A.example:443", "*.b.example"] });
    const path = `/api/v1/sandboxes/${client.sandboxId}/network`;
    const read = async (): Promise<unknown> => (await server.fetch(path)).json();
    assert.deepEqual(await read(), { allowNet: ["a.example:443", "*.b.example"] });
    for (const allowNet of [["c.example"], [], null]) {
      const body = JSON.stringify({ allowNet });
      const response = await server.fetch(path, { method: "PUT", body });
      assert.deepEqual([response.status, await response.json()], [200, { allowNet }]);
      assert.deepEqual(allowNetOf(server.host.machine.network.policy), allowNet);
    }
    for (const wrong of [{}, { allowNet: "a" }, { allowNet: ["10.0.0.1"] }, { allowNet: [1] }]) {
      const response = await server.fetch(path, { method: "PUT", body: JSON.stringify(wrong) });
      assert.equal(response.status, 400);
      assert.deepEqual(await read(), { allowNet: null });
    }
    const gone = `/api/v1/sandboxes/${client.sandboxId.slice(0, -1)}0/network`;
    assert.equal((await server.fetch(gone)).status, 404);
  });

  test("extends by PATCH and says what it granted", async () => {
    const clock = new FakeClock();
    await using server = await startControl({ clock });
    await using client = await server.create({ stop_at_ms: clock.now() + 60_000 });
    const extend = async (body: string) => {
      const path = `/api/v3/sandbox/${client.sandboxId}`;
      const response = await server.fetch(path, { method: "PATCH", body });
      return [response.status, await response.json()] as const;
    };
    const later = clock.now() + 600_000;
    const latest = clock.now() + limits.lifetimeMaxMs;
    const ask = (stop_at_ms: unknown) => extend(JSON.stringify({ stop_at_ms }));
    assert.deepEqual(await ask(later), [200, { stop_at_ms: later }]);
    assert.deepEqual(await ask(later - 1), [200, { stop_at_ms: later }]);
    assert.deepEqual(await ask(latest + 1_000_000), [200, { stop_at_ms: latest }]);
    for (const [body, code] of [
      [JSON.stringify({ stop_at_ms: clock.now() - 1 }), "LIFETIME_OUT_OF_RANGE"],
      [JSON.stringify({ stop_at_ms: "soon" }), "INVALID_REQUEST"],
      ["{", "INVALID_REQUEST"],
      ["", "INVALID_REQUEST"],
    ] as const) {
      const [status, answer] = await extend(body);
      assert.deepEqual([status, (answer as { code: string }).code], [400, code]);
    }
    const [row] = await server.store.sandboxes.running();
    assert.equal(row?.stopAtMs, latest);
  });

  test("tells the events of a sandbox", async () => {
    await using server = await startControl();
    const client = await server.create({ env: { SECRET: "hush" } });
    const spawned = await client.call("spawn", {
      ...{ command: "exit", args: ["3"], env: { KEY: "hush" }, stdout: "null", stderr: "null" },
    });
    await client.call("processWait", { pid: (spawned as { pid: number }).pid });
    await server.fetch(`/api/v3/sandbox/${client.sandboxId}`, { method: "DELETE" });
    const response = await server.fetch(`/api/v1/sandboxes/${client.sandboxId}/events`);
    const events = (await response.json()) as { kind: string; detail: Record<string, unknown> }[];
    const kinds = events.map(({ kind }) => kind).filter((kind) => kind !== "disconnected");
    const expected = ["created", "connected", "command-started", "command-ended", "stopped"];
    assert.deepEqual(kinds, expected);
    const ended = events.find(({ kind }) => kind === "command-ended");
    assert.equal(ended?.detail["code"], 3);
    assert.ok(!JSON.stringify(events).includes("hush"));
    assert.ok(!server.log.join("").includes("hush"));
  });

  test("tells its status", async () => {
    await using server = await startControl({ sandboxesMax: 7 });
    await using client = await server.create();
    assert.ok(client);
    assert.deepEqual(await (await server.fetch("/api/v1/status")).json(), {
      ...{ version: "0.0.0-test", regions: ["ord", "ams"], sandboxes: { count: 1, max: 7 } },
      host: server.host.status(),
    });
  });

  test("never logs a token", async () => {
    await using server = await startControl();
    await using client = await server.create();
    await server.fetch("/api/v2/sandboxes");
    await client.call("envToObject", {});
    assert.ok(server.log.length > 0);
    assert.ok(!server.log.join("").includes(server.token));
  });
});

suite("what is no proper HTTP", () => {
  for (const [name, text, status] of [
    ["garbage", "\x16\x03\x01 hello\r\n\r\n", 400],
    ["a head too large", `GET / HTTP/1.1\r\nx: ${"y".repeat(1_200_000)}\r\n\r\n`, 413],
    ["a body too large", post({ "content-length": "99999999" }), 413],
    ["a path that is no path", head("GET", "http://[", {}), 400],
  ] as const) {
    test(`${name} gets a typed answer, and the server goes on`, async () => {
      await using server = await startControl();
      const answer = await exchange(server, text.replace("TOKEN", server.token));
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.match(answer, /"code":"[A-Z_]+"/);
      assert.equal((await server.fetch("/api/v2/sandboxes")).status, 200);
    });
  }

  test("what a client sends on after it was refused does not cost it the answer", async () => {
    await using server = await startControl();
    const body = "y".repeat(8_000_000);
    const text = post({ "content-length": `${body.length}`, authorization: "Bearer wrong" }) + body;
    assert.match(await exchange(server, text), /^HTTP\/1\.1 401 /);
  });

  for (const [name, text] of [
    ["no HTTP", "no HTTP\r\n\r\n"],
    ["a body too large", post({ "content-length": "99999999999999" })],
  ] as const) {
    test(`a client that sends ${name} for ever is cut off`, async () => {
      await using server = await startControl();
      const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
      const endless = Readable.from(repeat(text.replace("TOKEN", server.token)));
      await assert.rejects(pipeline(endless, socket.resume()), /ECONNRESET|EPIPE/);
    });
  }

  test("an offer of HTTP/2 is an ordinary request", async () => {
    await using server = await startControl();
    const offer = { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c", "http2-settings": "AA" };
    const text = head("GET", "/api/v1/status", offer).replace("TOKEN", server.token);
    assert.match(await exchange(server, text), /^HTTP\/1\.1 200 /);
  });
});

function head(method: string, path: string, headers: Readonly<Record<string, string>>): string {
  const all = { host: "localhost", authorization: "Bearer TOKEN", connection: "close", ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

function post(headers: Readonly<Record<string, string>>): string {
  return head("PATCH", `/api/v3/sandbox/${unknownId}`, headers);
}

/** Sends `text` and reads until the server has said all. */
async function exchange(server: Fixture, text: string): Promise<string> {
  const socket = connect(server.port, "127.0.0.1");
  let answer = "";
  socket.on("data", (data) => {
    answer += data.toString();
    if (answer.includes('"}') || answer.includes("}}")) socket.end();
  });
  socket.write(text);
  await once(socket, "close");
  return answer;
}

function* repeat(text: string): Generator<string> {
  for (;;) yield text;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
