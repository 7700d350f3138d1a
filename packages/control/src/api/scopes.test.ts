import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { limits, SandboxId } from "@skerry/protocol";

import { startControl, type Fixture } from "../testing/control-fixture.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { Refused, RpcClient } from "../testing/rpc-client.ts";

const unknownId = "sbx_ord_00000000000000000000";

/** Two sandboxes, and a token for the first. */
async function startScoped(clock = new FakeClock()) {
  const server = await startControl({ clock });
  const mine = await server.create();
  const other = await server.create();
  const idOf = (client: RpcClient) => SandboxId.parse(client.headers["x-deno-sandbox-id"]);
  const { token } = await server.control.tokens.issueFor(idOf(mine), { name: "scoped" });
  const codeOf = async (method: string, path: string, body?: string): Promise<string> => {
    const asked = { method, authorization: `Bearer ${token}`, ...(body !== undefined && { body }) };
    const response = await server.fetch(path, asked);
    if (response.ok) return String(response.status);
    return ((await response.json()) as { code: string }).code;
  };
  return { server, clock, mine, other, mineId: idOf(mine), otherId: idOf(other), token, codeOf };
}

/** What opening a socket ends with. */
async function opened(server: Fixture, token: string, path: string): Promise<string> {
  const headers = { authorization: `Bearer ${token}`, "x-deno-sandbox-config": btoa("{}") };
  try {
    await using _client = await RpcClient.open(`ws://127.0.0.1:${server.port}${path}`, headers);
    return "open";
  } catch (error) {
    if (error instanceof Refused) return String(error.body["code"]);
    throw error;
  }
}

suite("a token of one sandbox", () => {
  test("reads of it, enters it and ends it", async () => {
    const { server, mine, mineId, token, codeOf } = await startScoped();
    await using _server = server;
    for (const [method, path, code] of [
      ["GET", `/api/v3/sandbox/${mineId}`, "200"],
      ["GET", `/api/v3/sandboxes/${mineId}`, "200"],
      ["GET", `/api/v1/sandboxes/${mineId}`, "200"],
      ["GET", `/api/v1/sandboxes/${mineId}/events`, "200"],
      ["GET", `/api/v1/sandboxes/${mineId}/network`, "200"],
      ["GET", `/api/v1/sandboxes/${mineId}/secrets`, "200"],
      ["POST", `/api/v3/sandbox/${mineId}/expose/http`, "INGRESS_OFF"],
      ["POST", `/api/v3/sandbox/${mineId}/expose/ssh`, "SSH_OFF"],
    ] as const) {
      assert.equal(await codeOf(method, path, method === "POST" ? "{}" : undefined), code, path);
    }
    assert.equal(await opened(server, token, `/api/v3/sandbox/${mineId}/connect`), "open");
    assert.equal(await codeOf("DELETE", `/api/v3/sandbox/${mineId}`), "204");
    await mine.closed;
  });

  test("changes nothing that holds it, and sees nothing of its owner", async () => {
    const { server, mineId, token, codeOf } = await startScoped();
    await using _server = server;
    for (const [method, path] of [
      ["PATCH", `/api/v3/sandbox/${mineId}`],
      ["PUT", `/api/v1/sandboxes/${mineId}/network`],
      ["PUT", `/api/v1/sandboxes/${mineId}/secrets/A`],
      ["DELETE", `/api/v1/sandboxes/${mineId}/secrets/A`],
      ["GET", "/api/v2/sandboxes"],
      ["GET", "/api/v3/sandboxes"],
      ["GET", "/api/v1/status"],
      ["GET", "/users/me/ssh-keys"],
      ["POST", "/users/me/ssh-keys"],
      ["DELETE", "/users/me/ssh-keys/key_1"],
      ["POST", "/api/v1/ssh/authorize"],
    ] as const) {
      assert.equal(await codeOf(method, path), "FORBIDDEN", `${method} ${path}`);
    }
    assert.equal(await opened(server, token, "/api/v3/sandboxes/create"), "FORBIDDEN");
  });

  test("finds any other sandbox as little as one that never was", async () => {
    const { server, otherId, token, codeOf } = await startScoped();
    await using _server = server;
    for (const id of [otherId, unknownId, "no-id"]) {
      for (const [method, path] of [
        ["GET", `/api/v3/sandbox/${id}`],
        ["DELETE", `/api/v3/sandbox/${id}`],
        ["PATCH", `/api/v3/sandbox/${id}`],
        ["GET", `/api/v1/sandboxes/${id}`],
        ["GET", `/api/v1/sandboxes/${id}/events`],
        ["PUT", `/api/v1/sandboxes/${id}/network`],
        ["PUT", `/api/v1/sandboxes/${id}/secrets/A`],
        ["POST", `/api/v1/sandboxes/${id}/urls`],
        ["POST", `/api/v3/sandbox/${id}/expose/ssh`],
      ] as const) {
        assert.equal(await codeOf(method, path), "SANDBOX_NOT_FOUND", `${method} ${path}`);
      }
      for (const path of [`/api/v3/sandbox/${id}/connect`, `/api/v1/sandboxes/${id}/terminal`]) {
        assert.equal(await opened(server, token, path), "SANDBOX_NOT_FOUND", path);
      }
    }
  });

  test("ends with its sandbox, and with its time", async () => {
    const { server, clock, mine, mineId, otherId, codeOf } = await startScoped();
    await using _server = server;
    const { tokens } = server.control;
    const short = { name: "short", expiresAtMs: clock.now() + 1_000 };
    const { token } = await tokens.issueFor(otherId, short);
    assert.ok(await tokens.verify(token));
    clock.advance(1_000);
    assert.equal(await tokens.verify(token), null);
    await server.fetch(`/api/v3/sandbox/${mineId}`, { method: "DELETE" });
    await mine.closed;
    assert.equal(await codeOf("GET", `/api/v3/sandbox/${mineId}`), "INVALID_TOKEN");
    await assert.rejects(tokens.issueFor(mineId, { name: "late" }), { code: "SANDBOX_NOT_FOUND" });
  });

  test("is one of so many", async () => {
    const { server, mineId, otherId } = await startScoped();
    await using _server = server;
    const { tokens } = server.control;
    for (let n = 1; n < limits.sandboxTokensMax; n += 1)
      await tokens.issueFor(mineId, { name: "" });
    await assert.rejects(tokens.issueFor(mineId, { name: "" }), { code: "TOO_MANY_TOKENS" });
    await tokens.issueFor(otherId, { name: "" });
  });
});
