import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { closeCode } from "@skerry/protocol";

import type { ControlOptions } from "../control.ts";
import { startControl, type Fixture } from "../testing/control-fixture.ts";
import { Refused, RpcClient } from "../testing/rpc-client.ts";

interface Asked {
  readonly status: number;
  readonly body: unknown;
}

/** Asks as somebody. */
async function ask(
  server: Fixture,
  token: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<Asked> {
  const response = await server.fetch(path, {
    ...{ method, authorization: `Bearer ${token}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
}

function fieldOf({ body }: Asked, name: string): string {
  return String((body as Record<string, unknown>)[name]);
}

/** Makes a user with a token. */
async function userIn(server: Fixture, name: string, organization: string): Promise<string> {
  const made = await ask(server, server.token, "POST", "/api/v1/users", { name, organization });
  assert.equal(made.status, 201);
  const wish = { name: "first", user: name };
  return fieldOf(await ask(server, server.token, "POST", "/api/v1/tokens", wish), "token");
}

/** A server with two organizations, a member in each. */
async function startTwo(options: Partial<ControlOptions> = {}) {
  const server = await startControl(options);
  const made = await ask(server, server.token, "POST", "/api/v1/organizations", { name: "other" });
  assert.equal(made.status, 201);
  const alice = await userIn(server, "alice", "default");
  const bob = await userIn(server, "bob", "other");
  return { server, alice, bob };
}

async function createAs(server: Fixture, token: string): Promise<RpcClient> {
  return await RpcClient.open(`ws://127.0.0.1:${server.port}/api/v3/sandboxes/create`, {
    authorization: `Bearer ${token}`,
    "x-deno-sandbox-config": btoa("{}"),
  });
}

suite("an organization", () => {
  test("uses up its own room and not that of others", async () => {
    const { server, alice, bob } = await startTwo({ organizationSandboxesMax: 1 });
    await using _server = server;
    await using mine = await createAs(server, alice);
    const refusal = await createAs(server, alice).then(
      () => assert.fail("it was not refused"),
      (error: unknown) => error as Refused,
    );
    assert.deepEqual([refusal.status, refusal.body["code"]], [429, "TOO_MANY_SANDBOXES"]);
    await using other = await createAs(server, bob);
    const status = (await ask(server, bob, "GET", "/api/v1/status")).body as object;
    assert.deepEqual("sandboxes" in status && status.sandboxes, { count: 1, max: 1 });
    assert.notEqual(mine.sandboxId, other.sandboxId);
  });

  test("shares its sandboxes, and nobody else knows that they are there", async () => {
    const { server, alice, bob } = await startTwo();
    await using _server = server;
    await using mine = await createAs(server, alice);
    const id = mine.sandboxId;
    assert.equal((await ask(server, server.token, "GET", `/api/v3/sandbox/${id}`)).status, 200);
    assert.equal((await ask(server, alice, "GET", "/api/v2/sandboxes")).status, 200);
    assert.deepEqual((await ask(server, bob, "GET", "/api/v2/sandboxes")).body, []);
    const status = (await ask(server, bob, "GET", "/api/v1/status")).body as {
      readonly sandboxes: { readonly count: number };
    };
    assert.equal(status.sandboxes.count, 0);
    const unknownId = "sbx_ord_00000000000000000000";
    for (const [method, path] of [
      ["GET", "/api/v3/sandbox/ID"],
      ["PATCH", "/api/v3/sandbox/ID"],
      ["DELETE", "/api/v3/sandbox/ID"],
      ["GET", "/api/v1/sandboxes/ID"],
      ["GET", "/api/v1/sandboxes/ID/events"],
      ["GET", "/api/v1/sandboxes/ID/network"],
      ["PUT", "/api/v1/sandboxes/ID/network"],
      ["GET", "/api/v1/sandboxes/ID/secrets"],
      ["PUT", "/api/v1/sandboxes/ID/secrets/A"],
      ["DELETE", "/api/v1/sandboxes/ID/secrets/A"],
      ["POST", "/api/v1/sandboxes/ID/urls"],
      ["POST", "/api/v3/sandbox/ID/expose/http"],
      ["POST", "/api/v3/sandbox/ID/expose/ssh"],
    ] as const) {
      const answers = await Promise.all(
        [id, unknownId].map((each) => ask(server, bob, method, path.replace("ID", each))),
      );
      assert.equal(answers[0]?.status, 404, `${method} ${path}`);
      assert.deepEqual(answers[0], answers[1], "unknown and forbidden look the same");
    }
    const asBob = { authorization: `Bearer ${bob}` };
    for (const path of [`/api/v3/sandbox/${id}/connect`, `/api/v1/sandboxes/${id}/terminal`]) {
      await assert.rejects(
        RpcClient.open(`ws://127.0.0.1:${server.port}${path}`, asBob),
        (error: unknown) => error instanceof Refused && error.status === 404,
      );
    }
    const scoped = await ask(server, bob, "POST", "/api/v1/tokens", { name: "x", sandbox: id });
    assert.equal(scoped.status, 404);
  });

  test("is removed when nobody is in it, and not before", async () => {
    const { server } = await startTwo();
    await using _server = server;
    const remove = async (path: string) =>
      (await ask(server, server.token, "DELETE", `/api/v1/${path}`)).status;
    assert.equal(await remove("organizations/other"), 409);
    assert.equal(await remove("users/bob"), 204);
    assert.equal(await remove("organizations/other"), 204);
    assert.equal(await remove("organizations/other"), 404);
    assert.equal(await remove("organizations/default"), 409);
  });
});

suite("a user", () => {
  test("who is removed has nothing any more: what was opened ends at once", async () => {
    const { server, alice, bob } = await startTwo();
    await using _server = server;
    await using hers = await createAs(server, alice);
    await using his = await createAs(server, bob);
    assert.equal((await ask(server, server.token, "DELETE", "/api/v1/users/alice")).status, 204);
    assert.deepEqual(await hers.closed, {
      code: closeCode.revoked,
      reason: "The access was revoked.",
    });
    assert.equal((await ask(server, alice, "GET", "/api/v1/users/me")).status, 401);
    assert.equal((await ask(server, bob, "GET", "/api/v1/users/me")).status, 200);
    assert.equal(his.socket.readyState, his.socket.OPEN);
  });

  test("has a token less, and what it opened ends, when that is revoked", async () => {
    const { server, alice } = await startTwo();
    await using _server = server;
    const more = await ask(server, alice, "POST", "/api/v1/tokens", { name: "more" });
    await using opened = await createAs(server, fieldOf(more, "token"));
    await using other = await createAs(server, alice);
    const path = `/api/v1/tokens/${fieldOf(more, "id")}`;
    assert.equal((await ask(server, alice, "DELETE", path)).status, 204);
    assert.equal((await opened.closed).code, closeCode.revoked);
    assert.equal((await ask(server, alice, "DELETE", path)).status, 404);
    assert.equal(other.socket.readyState, other.socket.OPEN);
  });

  test("who is a member manages nobody, and sees nobody's tokens", async () => {
    const { server, alice, bob } = await startTwo();
    await using _server = server;
    for (const [method, path, body] of [
      ["GET", "/api/v1/users"],
      ["POST", "/api/v1/users", { name: "eve", role: "admin" }],
      ["DELETE", "/api/v1/users/bob"],
      ["GET", "/api/v1/organizations"],
      ["POST", "/api/v1/organizations", { name: "mine" }],
      ["DELETE", "/api/v1/organizations/other"],
      ["GET", "/api/v1/tokens?user=bob"],
      ["POST", "/api/v1/tokens", { name: "x", user: "bob" }],
      ["POST", "/api/v1/ssh/authorize", { username: "x", key: null }],
    ] as const) {
      assert.equal((await ask(server, alice, method, path, body)).status, 403, `${method} ${path}`);
    }
    const [his] = (await ask(server, bob, "GET", "/api/v1/tokens")).body as { id: string }[];
    const stolen = await ask(server, alice, "DELETE", `/api/v1/tokens/${his?.id}`);
    assert.equal(stolen.status, 404);
    assert.equal((await ask(server, bob, "GET", "/api/v1/users/me")).status, 200);
  });

  test("is told of without secrets, and tokens without their text", async () => {
    const { server, alice } = await startTwo();
    await using _server = server;
    const me = (await ask(server, alice, "GET", "/api/v1/users/me")).body as object;
    assert.partialDeepStrictEqual(me, {
      ...{ name: "alice", role: "member" },
      organization: { id: "org_default", name: "default" },
    });
    const listed = await ask(server, alice, "GET", "/api/v1/tokens");
    assert.ok(!JSON.stringify(listed.body).includes(alice));
    assert.partialDeepStrictEqual(listed.body, [{ name: "first", scope: "user", sandbox: null }]);
  });

  test("who runs the host stays, and nobody removes oneself", async () => {
    await using server = await startControl();
    assert.equal((await ask(server, server.token, "DELETE", "/api/v1/users/admin")).status, 409);
    const wish = { name: "second", role: "admin" };
    assert.equal((await ask(server, server.token, "POST", "/api/v1/users", wish)).status, 201);
    const of = { name: "t", user: "second" };
    const second = fieldOf(await ask(server, server.token, "POST", "/api/v1/tokens", of), "token");
    for (const name of ["second", "admin"]) {
      assert.equal((await ask(server, second, "DELETE", `/api/v1/users/${name}`)).status, 409);
    }
  });

  for (const [what, path, body, status] of [
    ["a name that could be an id", "users", { name: "usr_admin" }, 400],
    ["no name", "users", { name: "" }, 400],
    ["another role", "users", { name: "x", role: "root" }, 400],
    ["a name that is taken", "users", { name: "admin" }, 409],
    ["an organization that is not there", "users", { name: "x", organization: "nope" }, 404],
    ["an organization's name that is taken", "organizations", { name: "default" }, 409],
    ["a token's time that is none", "tokens", { name: "x", expires_in_ms: -1 }, 400],
    ["a token of a sandbox that is not there", "tokens", { name: "x", sandbox: "sbx" }, 404],
    ["a token of a user who is not there", "tokens", { name: "x", user: "nope" }, 404],
  ] as const) {
    test(`made with ${what} is refused`, async () => {
      await using server = await startControl();
      const before = await ask(server, server.token, "GET", "/api/v1/users");
      const answer = await ask(server, server.token, "POST", `/api/v1/${path}`, body);
      assert.equal(answer.status, status);
      assert.deepEqual(await ask(server, server.token, "GET", "/api/v1/users"), before);
    });
  }

  test("with a token of the other kind learns that there is none here", async () => {
    await using server = await startControl();
    const answer = await ask(server, "ddp_0000", "GET", "/api/v1/status");
    assert.equal(fieldOf(answer, "code"), "INVALID_TOKEN");
    assert.match(fieldOf(answer, "message"), /ddo_/);
  });
});

suite("an SSH key", () => {
  const line =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPYDfyhtsvsBgxnr/1tCdNXN/FZ44uSSWU/IXHDX2PtJ you@laptop";
  const key = line.split(" ")[1] ?? "";

  test("enters what its user's organization has, also when others have it too", async () => {
    const { server, alice, bob } = await startTwo();
    await using _server = server;
    await using hers = await createAs(server, alice);
    const authorize = async (): Promise<string | null> =>
      (await server.control.ssh.authorize({ username: hers.sandboxId, key, address: "::1" }))
        ?.sandboxId ?? null;
    const upload = { name: "laptop", public_key: line };
    const his = await ask(server, bob, "POST", "/users/me/ssh-keys", upload);
    assert.equal(his.status, 201);
    assert.equal(await authorize(), null, "it is of another organization");
    const mine = await ask(server, alice, "POST", "/users/me/ssh-keys", upload);
    assert.equal(mine.status, 201, "that somebody has it is not told");
    assert.equal(await authorize(), hers.sandboxId);
    const path = `/users/me/ssh-keys/${fieldOf(mine, "id")}`;
    assert.equal((await ask(server, bob, "DELETE", path)).status, 404);
    assert.equal((await ask(server, server.token, "DELETE", "/api/v1/users/alice")).status, 204);
    assert.equal(await authorize(), null);
  });
});
