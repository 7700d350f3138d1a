import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";

import { Client, Sandbox } from "@skerry/sdk";

import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { makeTestHome, prepared } from "../support/machine-home.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { newSshKey } from "../support/ssh-key.ts";
import { program, sshConfig, type Ran, type Way } from "../support/ssh.ts";

const held = new AsyncDisposableStack();
let server: TestServer;
let gateway: TestGateway;
let directory: string;
let client: Client;
let sandbox: Sandbox;
let restart: () => Promise<void>;

before(async () => {
  directory = held.use(makeTestHome()).path;
  const home = held.use(makeTestHome(prepared().home));
  const port = await freePort();
  const args = [
    "--ssh",
    "off",
    "--listen",
    `127.0.0.1:${port}`,
    "--keep-sandboxes",
    "--log-level",
    "trace",
  ];
  server = await startServer({ home, args });
  held.defer(() => server[Symbol.asyncDispose]());
  restart = async () => {
    await server[Symbol.asyncDispose]();
    server = await startServer({ home, args });
  };
  const options = { endpoint: server.url, token: server.token };
  client = new Client(options);
  const { token } = await client.tokens.create("gateway", { gateway: true });
  const tokenFile = join(directory, "gateway-token");
  writeFileSync(tokenFile, token, { mode: 0o600 });
  sandbox = await Sandbox.create({ ...options, lifetime: "10m" });
  await assert.rejects(sandbox.exposeSsh(), { code: "SSH_OFF" });
  gateway = held.use(await startGateway(server.url, tokenFile, ["--log-level", "trace"]));
});
after(async () => {
  await client.sandboxes.kill(sandbox.id).catch(() => {});
  await held.disposeAsync();
});

async function enter(way: Way, command = "echo in"): Promise<Ran> {
  return await program("ssh", ["-F", sshConfig(directory, way), "box", command]);
}

/** A session that lasts until it is ended. */
async function stay(
  way: Way,
): Promise<{ readonly child: ChildProcess; readonly ended: Promise<unknown> }> {
  const child = spawn("ssh", ["-F", sshConfig(directory, way), "box", "echo up; sleep 1000"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = once(child, "exit");
  await once(child.stdout, "data");
  return { child, ended };
}

/** A key of a user, uploaded. */
async function withKey(by: Client, name: string): Promise<{ way: Way; id: string }> {
  const identity = join(directory, name);
  await program("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", identity]);
  const { id } = await by.sshKeys.add(name, readFileSync(`${identity}.pub`, "utf8"));
  const { host: hostname, port, hostKey } = gateway.endpoint;
  return { way: { hostname, port, hostKey, username: sandbox.id, identity }, id };
}

suite("a gateway that runs alone", { timeout: 400_000 }, () => {
  test("is told of by the server, and lets in", async () => {
    const way = await sandbox.exposeSsh();
    assert.equal(way.port, gateway.endpoint.port);
    assert.equal((await enter(way)).stdout.toString(), "in\n");
  });

  test("ends what a key has opened within a second of its removal", async () => {
    const { way, id } = await withKey(client, "laptop");
    const { ended } = await stay(way);
    const startedAt = performance.now();
    await client.sshKeys.remove(id);
    await ended;
    assert.ok(performance.now() - startedAt < 1_000);
    assert.equal((await enter(way)).code, 255);
  });

  test("ends what a user has opened when that one is removed", async () => {
    await client.users.create("alice");
    const { token } = await client.tokens.create("hers", { user: "alice" });
    const hers = new Client({ endpoint: server.url, token });
    const { way } = await withKey(hers, "hers");
    const { ended } = await stay(way);
    await client.users.remove("alice");
    await ended;
    assert.equal((await enter(way)).code, 255);
  });

  test("lets nobody of another organization in", async () => {
    await client.organizations.create("other");
    await client.users.create("bob", { organization: "other" });
    const { token } = await client.tokens.create("his", { user: "bob" });
    const { way } = await withKey(new Client({ endpoint: server.url, token }), "his");
    const { code, stderr } = await enter(way);
    assert.equal(code, 255);
    assert.match(stderr, /Permission denied/);
    await client.users.remove("bob");
    await client.organizations.remove("other");
  });

  test("has the sandbox's log tell who came, how, for how long and how much ran", async () => {
    const { way, id } = await withKey(client, "desktop");
    await enter(way);
    const visits = async () =>
      (await client.sandboxes.events(sandbox.id)).filter(({ kind }) => kind.startsWith("ssh-"));
    const isOver = async () => {
      const [opened, closed] = (await visits()).slice(-2);
      return opened?.detail["who"] === "admin" && closed?.kind === "ssh-closed";
    };
    await eventually("the event", isOver);
    const { who, address, seconds, programs } = (await visits()).at(-1)?.detail ?? {};
    assert.deepEqual([who, address, programs], ["admin", "127.0.0.1", 1]);
    assert.equal(typeof seconds, "number");
    await client.sshKeys.remove(id);
  });

  test("goes on with a server that was started anew", async () => {
    const before = await sandbox.exposeSsh();
    const { child } = await stay(before);
    await restart();
    child.kill();
    await eventually("the gateway is known", async () => {
      const again = await Sandbox.connect({
        ...{ id: sandbox.id, endpoint: server.url, token: server.token },
      });
      try {
        return (await again.exposeSsh()).port === gateway.endpoint.port;
      } catch {
        return false;
      } finally {
        await again.close();
      }
    });
    assert.equal((await enter(before)).stdout.toString(), "in\n");
  });

  test("writes no username down, also when it is wrong", async () => {
    const { username, ...way } = await (
      await Sandbox.connect({ id: sandbox.id, endpoint: server.url, token: server.token })
    ).exposeSsh();
    await enter({ ...way, username });
    const wrong = `${username.slice(0, -1)}${username.endsWith("0") ? "1" : "0"}`;
    assert.equal((await enter({ ...way, username: wrong })).code, 255);
    const identity = join(directory, "unknown");
    writeFileSync(identity, newSshKey().privateKey, { mode: 0o600 });
    assert.equal((await enter({ ...way, username: wrong, identity })).code, 255);
    assert.match(gateway.output(), /ssh connection ended/);
    for (const text of [username, wrong]) {
      assert.ok(!gateway.output().includes(text) && !server.output().includes(text));
    }
  });

  test("ends when its token is wrong, and says so", async () => {
    const file = join(directory, "wrong-token");
    writeFileSync(file, server.token);
    await assert.rejects(startGateway(server.url, file), /FORBIDDEN|may not/);
  });
});
