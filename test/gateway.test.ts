import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, before, suite, test } from "node:test";

import { limits } from "@skerry/protocol";
import fc from "fast-check";
import ssh2, { type ClientChannel } from "ssh2";

import { closedOf, startFakeGateway, type FakeGateway } from "./support/fake-gateway.ts";
import { newSshKey } from "./support/ssh-key.ts";

const held = new AsyncDisposableStack();
let fake: FakeGateway;

before(async () => {
  fake = held.use(await startFakeGateway());
});
after(() => held.disposeAsync());

/** How often control was asked whom somebody may enter. */
function asked(): number {
  return fake.control.log.filter((line) => line.includes("/api/v1/ssh/authorize")).length;
}

function newKey(): string {
  return newSshKey().privateKey;
}

suite("the gateway, attacked", { timeout: 120_000 }, () => {
  test("lets nobody in by a key that was offered and not proved, and asks nobody about it", async () => {
    const { id } = await upload(newKeyPair().line);
    const { line, parsed } = newKeyPair();
    const mine = await upload(line);
    class Offering extends ssh2.BaseAgent {
      override getIdentities(callback: (error: null, keys: ssh2.ParsedKey[]) => void): void {
        callback(null, [parsed]);
      }
      override sign(_key: unknown, _data: unknown, ...rest: unknown[]): void {
        const callback = rest.at(-1) as (error: Error) => void;
        callback(new Error("it has no private key"));
      }
    }
    const before = asked();
    const agent = new Offering() as unknown as ssh2.BaseAgent;
    assert.equal(await fake.enter({ username: fake.sandboxId, agent }), null);
    assert.equal(asked(), before);
    for (const key of [id, mine.id]) await remove(key);
  });

  for (const [what, config] of [
    [
      "another sandbox's id",
      () => ({ username: "sbx_ord_00000000000000000000", privateKey: newKey() }),
    ],
    [
      "the sandbox's id and a stranger's key",
      () => ({ username: fake.sandboxId, privateKey: newKey() }),
    ],
    ["the sandbox's id alone", () => ({ username: fake.sandboxId })],
    ["a password", () => ({ username: fake.sandboxId, password: "secret" })],
    ["a username that is nearly right", () => ({ username: `${fake.username.slice(0, -1)}!` })],
    ["a username without an end", () => ({ username: "x".repeat(30_000) })],
  ] as const) {
    test(`lets nobody in by ${what}`, async () => {
      assert.equal(await fake.enter(config()), null);
    });
  }

  test("lets nobody in by a key that was taken away", async () => {
    const { line, privateKey } = newKeyPair();
    const { id } = await upload(line);
    const client = await fake.enter({ username: fake.sandboxId, privateKey });
    assert.ok(client !== null);
    const closed = closedOf(client);
    await remove(id);
    await closed;
    assert.equal(await fake.enter({ username: fake.sandboxId, privateKey }), null);
  });

  test("answers who fails from one address more slowly, and nobody else", async () => {
    const client = new ssh2.Client();
    client.on("error", () => {});
    const closed = closedOf(client);
    let tries = 0;
    const key = newKey();
    const next = () => ({ type: "publickey", username: `${fake.sandboxId}${tries++}`, key });
    const host = { host: "127.0.0.1", port: fake.gateway.endpoint.port, localAddress: "127.2.0.1" };
    for (let n = 0; n < 2; n += 1) await fake.tryOn("127.2.0.1", key);
    client.connect({ ...host, authHandler: next as never, username: fake.sandboxId });
    assert.ok(await fake.isServed("127.2.0.1"), "a yes does not wait");
    assert.ok(tries < limits.sshLoginTriesMax, "and a no does");
    client.destroy();
    await closed;
  });

  test("has so many places for those of one address who have not logged in", async () => {
    const sockets = await Promise.all(
      Array.from({ length: limits.sshPendingPerAddressMax }, () => greeted("127.3.0.1")), // and say nothing
    );
    const late = connect({
      host: "127.0.0.1",
      port: fake.gateway.endpoint.port,
      localAddress: "127.3.0.1",
    });
    late.resume();
    late.on("error", () => {});
    await closedOf(late);
    assert.ok(await fake.isServed("127.3.0.2"));
    const closed = sockets.map(closedOf);
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
  });

  test("survives whatever bytes come before keys are exchanged", async () => {
    const chunk = fc.uint8Array({ maxLength: 300 });
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(chunk, { maxLength: 8 }), async (greets, chunks) => {
        const socket = connect(fake.gateway.endpoint.port, "127.0.0.1");
        socket.on("error", () => {});
        socket.resume();
        if (greets) socket.write("SSH-2.0-client\r\n");
        for (const bytes of chunks) socket.write(bytes);
        socket.end();
        await closedOf(socket);
      }),
      { numRuns: 200 },
    );
    assert.ok(await fake.isServed());
  });

  test("survives whatever packets come after keys were exchanged, and others go on", async () => {
    const other = await fake.enter({ username: fake.username });
    assert.ok(other !== null);
    const packet = fc.tuple(
      fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 0, max: 255 })),
      fc.uint8Array({ maxLength: 200 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(packet, { minLength: 1, maxLength: 6 }), async (packets) => {
        const client = await fake.enter({ username: fake.username });
        assert.ok(client !== null);
        const closed = closedOf(client);
        for (const [type, bytes] of packets) sendPacket(client, [type, ...bytes]);
        client.end();
        client.destroy();
        await closed;
      }),
      { numRuns: 25 },
    );
    const closed = closedOf(other);
    assert.ok(await fake.isServed());
    other.end();
    await closed;
  });

  test("opens so many channels to a client that wants them without end", async () => {
    const client = await fake.enter({ username: fake.username });
    assert.ok(client !== null);
    client.on("error", () => {});
    const open = async (): Promise<boolean> => {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      client.exec("sleep 1000", (error?: Error, _channel?: ClientChannel) =>
        resolve(error === undefined),
      );
      return await promise;
    };
    const opened = await Promise.all(Array.from({ length: limits.sshChannelsMax + 50 }, open));
    assert.equal(opened.filter(Boolean).length, limits.sshChannelsMax);
    assert.ok(await fake.isServed());
    const closed = closedOf(client);
    client.end();
    await closed;
  });

  test("bears requests without end", async () => {
    const client = await fake.enter({ username: fake.username });
    assert.ok(client !== null);
    client.on("error", () => {});
    const closed = closedOf(client);
    const name = Buffer.from("keepalive@example.com");
    const request = [80, ...uint32(name.length), ...name, 1];
    for (let n = 0; n < 5_000; n += 1) sendPacket(client, request);
    assert.ok(await fake.isServed());
    client.end();
    client.destroy();
    await closed;
  });

  test("writes no username down, at any level", () => {
    for (const text of [fake.username, fake.username.slice(0, -1)]) {
      assert.ok(![...fake.lines, ...fake.control.log].some((line) => line.includes(text)));
    }
    assert.ok(fake.lines.some((line) => line.includes("ssh connection ended")));
  });
});

async function upload(line: string): Promise<{ readonly id: string }> {
  const body = JSON.stringify({ name: "key", public_key: line });
  const answer = await fake.control.fetch("/users/me/ssh-keys", { method: "POST", body });
  assert.equal(answer.status, 201);
  return (await answer.json()) as { id: string };
}

async function remove(id: string): Promise<void> {
  const answer = await fake.control.fetch(`/users/me/ssh-keys/${id}`, { method: "DELETE" });
  assert.equal(answer.status, 204);
}

function newKeyPair() {
  const { privateKey, line } = newSshKey();
  const parsed = ssh2.utils.parseKey(line);
  if (parsed instanceof Error) throw parsed;
  return { privateKey, line, parsed };
}

/** A connection that says hello and no more. */
async function greeted(localAddress: string): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port: fake.gateway.endpoint.port, localAddress });
  socket.on("error", () => {});
  await once(socket, "data");
  return socket;
}

/** What a client's library has inside, and no types tell of. */
interface Insides {
  readonly _protocol: {
    readonly _packetRW: {
      readonly write: {
        alloc(size: number): Buffer;
        readonly allocStart: number;
        finalize(packet: Buffer): Buffer;
      };
    };
    readonly _cipher: { encrypt(packet: Buffer): void };
  };
}

/** Sends a packet as it is. */
function sendPacket(client: ssh2.Client, payload: readonly number[]): void {
  const { _protocol: protocol } = client as unknown as Insides;
  const { write } = protocol._packetRW;
  const packet = write.alloc(payload.length);
  packet.set(payload, write.allocStart);
  protocol._cipher.encrypt(write.finalize(packet));
}

function uint32(value: number): number[] {
  return [...Buffer.from([value >> 24, value >> 16, value >> 8, value])];
}
