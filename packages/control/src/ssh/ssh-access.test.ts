import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { closeCode, limits } from "@skerry/protocol";

import { startControl, type Fixture } from "../testing/control-fixture.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { Refused, RpcClient } from "../testing/rpc-client.ts";

const line =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPYDfyhtsvsBgxnr/1tCdNXN/FZ44uSSWU/IXHDX2PtJ you@laptop";
const key = line.split(" ")[1] ?? "";
const endpoint = {
  ...{ host: "ssh.example.com", port: 2222, fingerprint: "SHA256:abc" },
  hostKey: "ssh-ed25519 AAAA",
};

/** A server with a sandbox, and what a gateway does there. */
async function startWithGateway() {
  const clock = new FakeClock();
  const server = await startControl({ clock });
  const sandbox = await server.create({ stop_at_ms: clock.now() + 600_000 });
  const { token } = await server.control.tokens.issueForGateway("gateway");
  const send = async (method: string, path: string, body: unknown): Promise<Response> => {
    const authorization = `Bearer ${token}`;
    return await server.fetch(path, { method, body: JSON.stringify(body), authorization });
  };
  const authorize = async (username: string, proved: string | null = null): Promise<Response> =>
    await send("POST", "/api/v1/ssh/authorize", { username, key: proved, address: "192.0.2.7" });
  const ticketFor = async (username: string, proved: string | null = null): Promise<string> => {
    const answer = await authorize(username, proved);
    assert.equal(answer.status, 200);
    return ((await answer.json()) as { ticket: string }).ticket;
  };
  assert.equal((await send("PUT", "/api/v1/ssh/endpoint", endpoint)).status, 204);
  return { server, clock, sandbox, id: sandbox.sandboxId, token, send, authorize, ticketFor };
}

async function enter(server: Fixture, id: string, ticket: string): Promise<RpcClient> {
  const url = `ws://127.0.0.1:${server.port}/api/v3/sandbox/${id}/connect`;
  return await RpcClient.open(url, { authorization: `Bearer ${ticket}` });
}

async function upload(server: Fixture): Promise<string> {
  const body = JSON.stringify({ name: "laptop", public_key: line });
  const answer = await server.fetch("/users/me/ssh-keys", { method: "POST", body });
  return ((await answer.json()) as { id: string }).id;
}

async function expose(server: Fixture, id: string): Promise<string> {
  const answer = await server.fetch(`/api/v3/sandbox/${id}/expose/ssh`, { method: "POST" });
  assert.equal(answer.status, 200);
  return ((await answer.json()) as { username: string }).username;
}

const isRefusal = (status: number) => (error: unknown) =>
  error instanceof Refused && error.status === status;

suite("a gateway's token", () => {
  test("asks whom a client may enter, and does nothing else", async () => {
    const { server, id, token, send } = await startWithGateway();
    await using _server = server;
    for (const [method, path] of [
      ["GET", "/api/v2/sandboxes"],
      ["GET", `/api/v3/sandbox/${id}`],
      ["DELETE", `/api/v3/sandbox/${id}`],
      ["POST", `/api/v3/sandbox/${id}/expose/ssh`],
      ["GET", "/api/v1/status"],
      ["GET", "/api/v1/users/me"],
      ["POST", "/api/v1/tokens"],
      ["GET", "/users/me/ssh-keys"],
    ] as const) {
      const body = method === "POST" ? {} : undefined;
      assert.equal((await send(method, path, body)).status, 403, `${method} ${path}`);
    }
    await assert.rejects(enter(server, id, token), isRefusal(404));
    const headers = { authorization: `Bearer ${token}` };
    const create = `ws://127.0.0.1:${server.port}/api/v3/sandboxes/create`;
    await assert.rejects(RpcClient.open(create, headers), isRefusal(403));
  });

  test("is the only one that may ask that", async () => {
    const { server } = await startWithGateway();
    await using _server = server;
    for (const [method, path] of [
      ["POST", "/api/v1/ssh/authorize"],
      ["PUT", "/api/v1/ssh/endpoint"],
    ] as const) {
      assert.equal((await server.fetch(path, { method, body: "{}" })).status, 403);
    }
  });

  for (const [what, wrong] of [
    ["a host that is a command", { host: "x; rm -rf /" }],
    ["a host that is an option", { host: "-oProxyCommand=x" }],
    ["a key of several lines", { hostKey: "ssh-ed25519 AAAA\nx" }],
    ["no port", { port: 0 }],
  ] as const) {
    test(`does not tell of ${what}`, async () => {
      const { server, send } = await startWithGateway();
      await using _server = server;
      const answer = await send("PUT", "/api/v1/ssh/endpoint", { ...endpoint, ...wrong });
      assert.equal(answer.status, 400);
    });
  }

  test("has to tell where the gateway is again and again, or there is none", async () => {
    const { server, clock, id, send } = await startWithGateway();
    await using _server = server;
    clock.advance(limits.sshAnnouncedMs - 1);
    await expose(server, id);
    clock.advance(1);
    const path = `/api/v3/sandbox/${id}/expose/ssh`;
    const answer = await server.fetch(path, { method: "POST" });
    assert.equal(((await answer.json()) as { code: string }).code, "SSH_OFF");
    await send("PUT", "/api/v1/ssh/endpoint", endpoint);
    await expose(server, id);
  });
});

suite("a ticket", () => {
  test("opens one socket of its sandbox, once, and nothing else", async () => {
    const { server, id, ticketFor } = await startWithGateway();
    await using _server = server;
    await using other = await server.create();
    const username = await expose(server, id);
    const ticket = await ticketFor(username);
    assert.equal((await server.fetch("/api/v1/users/me", bearer(ticket))).status, 401);
    await using opened = await enter(server, id, ticket);
    await assert.rejects(enter(server, id, ticket), isRefusal(401));
    const second = await ticketFor(username);
    await assert.rejects(enter(server, other.sandboxId, second), isRefusal(404));
    await assert.rejects(enter(server, id, second), isRefusal(401), "it was shown");
    assert.equal(opened.socket.readyState, opened.socket.OPEN);
  });

  test("is good for a moment, and so many wait", async () => {
    const { server, clock, id, ticketFor } = await startWithGateway();
    await using _server = server;
    const username = await expose(server, id);
    const late = await ticketFor(username);
    clock.advance(limits.sshTicketMs);
    await assert.rejects(enter(server, id, late), isRefusal(401));
    const first = await ticketFor(username);
    for (let n = 0; n < limits.sshTicketsMax; n += 1) {
      await server.control.ssh.authorize({ username, key: null, address: "" });
    }
    await assert.rejects(enter(server, id, first), isRefusal(401));
  });

  test("by which somebody came in tells who, how, how long and how much", async () => {
    const { server, clock, id, ticketFor } = await startWithGateway();
    await using _server = server;
    await upload(server);
    const visit = await enter(server, id, await ticketFor(id, key));
    await visit.call("spawn", { command: "true", args: [], stdout: "null", stderr: "null" });
    clock.advance(3_000);
    visit.socket.close();
    const { id: machineId } = server.host.machine;
    const { ended } = server.control.sandboxes.get(machineId);
    await visit.closed;
    await server.fetch(`/api/v3/sandbox/${id}`, { method: "DELETE" });
    await ended; // and all of it is in the store
    const events = await server.control.sandboxes.events(machineId);
    const told = events.filter(({ kind }) => kind.startsWith("ssh-"));
    const visitor = { who: "admin", how: "key", address: "192.0.2.7" };
    assert.deepEqual(
      told.map(({ kind, detail }) => [kind, detail]),
      [
        ["ssh-opened", visitor],
        ["ssh-closed", { ...visitor, seconds: 3, programs: 1 }],
      ],
    );
  });
});

suite("what was entered by SSH", () => {
  test("ends when the key is taken away, also when that is while it opens", async () => {
    const { server, id, authorize, ticketFor } = await startWithGateway();
    await using _server = server;
    const keyId = await upload(server);
    const [ticket, waiting] = [await ticketFor(id, key), await ticketFor(id, key)];
    const visit = await enter(server, id, ticket);
    const path = `/users/me/ssh-keys/${keyId}`;
    assert.equal((await server.fetch(path, { method: "DELETE" })).status, 204);
    assert.equal((await visit.closed).code, closeCode.revoked);
    const late = await enter(server, id, waiting);
    assert.equal((await late.closed).code, closeCode.revoked);
    assert.equal((await authorize(id, key)).status, 404);
  });

  test("ends when the user is removed, by key or by username", async () => {
    const { server, id, ticketFor, authorize } = await startWithGateway();
    await using _server = server;
    const { users, tokens } = server.control;
    const alice = await users.create("alice", "default", "member");
    const { token } = await tokens.issue("hers", null, alice.id);
    const asAlice = { method: "POST", authorization: `Bearer ${token}` };
    const path = `/api/v3/sandbox/${id}/expose/ssh`;
    const { username } = (await (await server.fetch(path, asAlice)).json()) as { username: string };
    const body = JSON.stringify({ name: "x", public_key: line });
    await server.fetch("/users/me/ssh-keys", { ...asAlice, body });
    const visits = [
      await enter(server, id, await ticketFor(username)),
      await enter(server, id, await ticketFor(id, key)),
    ];
    assert.equal((await server.fetch("/api/v1/users/alice", { method: "DELETE" })).status, 204);
    for (const visit of visits) assert.equal((await visit.closed).code, closeCode.revoked);
    for (const [name, proved] of [
      [username, null],
      [id, key],
    ] as const) {
      assert.equal((await authorize(name, proved)).status, 404);
    }
  });

  test("ends with the sandbox", async () => {
    const { server, id, ticketFor, authorize } = await startWithGateway();
    await using _server = server;
    const username = await expose(server, id);
    const visit = await enter(server, id, await ticketFor(username));
    await server.fetch(`/api/v3/sandbox/${id}`, { method: "DELETE" });
    await visit.closed;
    assert.equal((await authorize(username)).status, 404);
  });
});

function bearer(token: string): { readonly authorization: string } {
  return { authorization: `Bearer ${token}` };
}
