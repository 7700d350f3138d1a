import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { suite, test } from "node:test";

import { SandboxError } from "@skerry/protocol";

import { firstIds } from "../../store/store.ts";
import { startControl, type Fixture } from "../../testing/control-fixture.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { Refused, RpcClient } from "../../testing/rpc-client.ts";

const unknownId = "sbx_ord_00000000000000000000";

suite("an upgrade", () => {
  test("makes a sandbox and tells its id and a trace id", async () => {
    await using server = await startControl();
    await using client = await server.create({ labels: { a: "b" }, memory_mb: 768 });
    assert.match(client.sandboxId, /^sbx_ord_[0-9a-hjkmnp-z]{20}$/);
    assert.match(String(client.headers["x-deno-trace-id"]), /^[0-9a-f]{32}$/);
    assert.equal(server.host.machine.id, client.sandboxId);
  });

  test("leads to the sandbox that its path names", async () => {
    await using server = await startControl();
    await using first = await server.create();
    await using second = await server.connect(first.sandboxId);
    assert.equal(second.sandboxId, first.sandboxId);
    await first.call("envSet", { key: "A", value: "1" });
    assert.equal(await second.call("envGet", { key: "A" }), "1");
    assert.equal(await second.call("envGet", { key: "B" }), null);
  });

  test("agrees to no protocol that it does not speak", async () => {
    await using server = await startControl();
    await using client = await server.create({}, { "sec-websocket-protocol": "skerry.v9, other" });
    assert.equal(client.headers["sec-websocket-protocol"], undefined);
  });

  test("takes the region from the host name", async () => {
    await using server = await startControl();
    await using client = await server.create({}, { host: "ams.sandbox.example" });
    assert.match(client.sandboxId, /^sbx_ams_/);
  });

  test("takes a configuration of a megabyte, and never logs it", async () => {
    await using server = await startControl();
    const env = { BIG: "x".repeat(700_000) };
    await using client = await server.create({ env });
    assert.equal(await client.call("envGet", { key: "BIG" }), env.BIG);
    assert.ok(server.log.join("").length < 100_000);
  });

  for (const [name, open, status, code] of [
    [
      "with a wrong token",
      (server: Fixture) => server.create({}, { authorization: "Bearer ddo_wrong" }),
      ...([401, "INVALID_TOKEN"] as const),
    ],
    [
      "with a configuration that is none",
      (server: Fixture) => server.create({}, { "x-deno-sandbox-config": "%%%" }),
      ...([400, "INVALID_CONFIG"] as const),
    ],
    [
      "with an option that is still to come",
      (server: Fixture) => server.create({ root: { volume: "v" } }),
      ...([501, "NOT_IMPLEMENTED"] as const),
    ],
    [
      "for a sandbox with SSH, where there is no gateway",
      (server: Fixture) => server.create({ ssh: true }),
      ...([501, "SSH_OFF"] as const),
    ],
    [
      "to a sandbox that is not there",
      (server: Fixture) => server.connect(unknownId),
      ...([404, "SANDBOX_NOT_FOUND"] as const),
    ],
    [
      "to what is no id",
      (server: Fixture) => server.connect("..%2f"),
      ...([404, "SANDBOX_NOT_FOUND"] as const),
    ],
    [
      "to another path",
      (server: Fixture) =>
        RpcClient.open(`ws://127.0.0.1:${server.port}/api/v4/nothing`, {
          authorization: `Bearer ${server.token}`,
        }),
      ...([404, "NOT_FOUND"] as const),
    ],
    [
      "from a page in a browser",
      (server: Fixture) => server.create({}, { origin: "https://evil.example" }),
      ...([403, "ORIGIN_REFUSED"] as const),
    ],
  ] as const) {
    test(`${name} is refused with ${status} ${code}, and nothing is left`, async () => {
      await using server = await startControl();
      const refusal = await refused(open(server));
      assert.deepEqual([refusal.status, refusal.body["code"]], [status, code]);
      assert.equal(typeof refusal.body["message"], "string");
      assert.match(String(refusal.headers["x-deno-trace-id"]), /^[0-9a-f]{32}$/);
      assert.equal(server.host.machines.size, 0);
      assert.equal(server.control.sandboxes.count, 0);
    });
  }

  test("from a page that is allowed is let in", async () => {
    await using server = await startControl({ allowedOrigins: ["https://ours.example"] });
    await using client = await server.create({}, { origin: "https://ours.example" });
    assert.ok(client.sandboxId);
  });

  for (const [name, error, status, code] of [
    ["full disk", new SandboxError("HOST_DISK_FULL"), 507, "HOST_DISK_FULL"],
    ["broken host", new SandboxError("HOST_UNAVAILABLE"), 503, "HOST_UNAVAILABLE"],
    ["bug", new TypeError("with a secret inside"), 500, "INTERNAL"],
  ] as const) {
    test(`tells of a ${name} as ${code}`, async () => {
      await using server = await startControl();
      server.host.beforeCreate = async () => Promise.reject(error);
      const refusal = await refused(server.create());
      assert.deepEqual([refusal.status, refusal.body["code"]], [status, code]);
      assert.ok(!JSON.stringify(refusal.body).includes("secret"));
      assert.equal(server.control.sandboxes.count, 0);
    });
  }

  test("is refused when the server runs as many sandboxes as it may", async () => {
    await using server = await startControl({ sandboxesMax: 1 });
    const client = await server.create();
    const refusal = await refused(server.create());
    assert.deepEqual([refusal.status, refusal.body["code"]], [429, "TOO_MANY_SANDBOXES"]);
    await server.fetch(`/api/v3/sandbox/${client.sandboxId}`, { method: "DELETE" });
    await using next = await server.create();
    assert.ok(next.sandboxId);
  });

  for (const [name, leave] of [
    ["closes its connection", "end"],
    ["drops its connection", "resetAndDestroy"],
  ] as const) {
    test(`is undone when the client ${name} while its machine starts`, async () => {
      await using server = await startControl();
      const started = Promise.withResolvers<void>();
      const aborted = Promise.withResolvers<void>();
      server.host.beforeCreate = async (signal) => {
        started.resolve();
        await once(signal, "abort");
        aborted.resolve();
      };
      const socket = connect(server.port, "127.0.0.1");
      socket.on("error", () => {});
      socket.write(handshake(server.token));
      await started.promise;
      socket[leave]();
      await aborted.promise;
      await server.control.close();
      assert.equal(server.host.machines.size, 0);
      assert.deepEqual(
        await server.store.sandboxes.list({
          organizationId: firstIds.organization,
          labels: {},
          limit: 9,
        }),
        [],
      );
    });
  }

  test("is undone when its handshake is wrong", async () => {
    await using server = await startControl();
    const gone = Promise.withResolvers<void>();
    server.host.beforeDispose = async () => gone.resolve();
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.resume();
    const config = btoa(JSON.stringify({ timeout: "5m" }));
    const wrong = `x-deno-sandbox-config: ${config}`; // instead of the version of WebSocket
    socket.write(handshake(server.token).replace("sec-websocket-version: 13", wrong));
    await gone.promise;
    await server.control.close();
    assert.equal(server.host.machines.size, 0);
  });

  test("is cut short when the server stops", async () => {
    await using server = await startControl();
    const started = Promise.withResolvers<void>();
    server.host.beforeCreate = async (signal) => {
      started.resolve();
      await once(signal, "abort");
    };
    const refusal = refused(server.create());
    await started.promise;
    await server.control.close();
    assert.deepEqual((await refusal).body["code"], "SHUTTING_DOWN");
  });

  test("comes too late for a sandbox whose time has come", async () => {
    const clock = new FakeClock();
    await using server = await startControl({ clock });
    const client = await server.create({ stop_at_ms: clock.now() + 1_000 });
    clock.advance(1_000);
    const refusal = await refused(server.connect(client.sandboxId));
    assert.equal(refusal.status, 404);
    const { code, reason } = await client.closed;
    assert.deepEqual([code, reason], [1001, "The sandbox reached the end of its lifetime."]);
  });
});

async function refused(opening: Promise<RpcClient>): Promise<Refused> {
  try {
    await opening;
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
  throw new Error("the socket was opened");
}

function handshake(token: string): string {
  return [
    "GET /api/v3/sandboxes/create HTTP/1.1",
    "host: localhost",
    `authorization: Bearer ${token}`,
    "connection: upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
    "\r\n",
  ].join("\r\n");
}
