import assert from "node:assert/strict";
import { PassThrough, type Duplex } from "node:stream";
import { suite, test } from "node:test";

import { makeSandboxId, openAccess, SandboxError } from "@skerry/protocol";
import { pino } from "pino";

import { FakeDriver } from "../vmm/fake/fake-driver.ts";
import { Host } from "./host.ts";

const never = (): AbortSignal => new AbortController().signal;
const idOf = (byte: number) => makeSandboxId("ord", new Uint8Array(20).fill(byte));

function open(pool: number, checkRoom = async (): Promise<void> => {}) {
  const driver = new FakeDriver();
  const host = new Host({
    driver,
    pool: { size: pool, memoryMiB: 1280 },
    parallelStarts: 2,
    checkRoom,
    editor: null,
    log: pino({ level: "silent" }),
  });
  return { driver, host };
}

const network = openAccess;

/** What the port of a machine that has died looks like. */
function deadPort(): Duplex {
  const port = new PassThrough();
  setImmediate(() => port.destroy());
  return port;
}

suite("Host", () => {
  test("boots when there is no template, and has one made for the next", async () => {
    const { driver, host } = open(0);
    await using _host = host;
    await using first = await host.create(
      { id: idOf(1), memoryMiB: 2048, env: {}, network },
      never(),
    );
    assert.equal(first.origin.from, "cold");
    const spec = { memoryMiB: 2048, vcpuCount: 2 };
    while ((await driver.findTemplate(spec)) === undefined) await new Promise(setImmediate);
    await using second = await host.create(
      { id: idOf(2), memoryMiB: 2048, env: {}, network },
      never(),
    );
    assert.equal(second.origin.from, "template");
  });

  test("starts a machine again that dies before it greets, and gives up when that dies too", async () => {
    const { driver, host } = open(0);
    await using _host = host;
    const boot = driver.boot.bind(driver);
    driver.makeTemplate = async () => Promise.reject(new Error("not now"));
    let dying = 1;
    driver.boot = async (spec, signal) => {
      const machine = await boot(spec, signal);
      return dying-- > 0 ? Object.assign(machine, { connect: async () => deadPort() }) : machine;
    };
    const request = { id: idOf(1), memoryMiB: 1280, env: {}, network };
    {
      await using machine = await host.create(request, never());
      await machine.guest.call("ping", {});
    }
    dying = 2;
    await assert.rejects(host.create(request, never()), { code: "HOST_UNAVAILABLE" });
    assert.deepEqual(driver.held, []);
  });

  test("claims from the pool whatever the environment is, and refills it", async () => {
    const { host } = open(2);
    await using _host = host;
    await host.warmUp(never());
    await host.poolFull(never());
    const request = { id: idOf(3), memoryMiB: 1280, env: { WHO: "me" }, network };
    await using machine = await host.create(request, never());
    assert.equal(machine.origin.from, "pool");
    assert.equal(await machine.guest.call("env.get", { key: "WHO" }), "me");
    await host.poolFull(never());
    assert.equal(host.status().poolReady, 2);
  });

  test("holds nothing after it is closed", async () => {
    const { driver, host } = open(3);
    await host.warmUp(never());
    await host.poolFull(never());
    await host.create({ id: idOf(4), memoryMiB: 1280, env: {}, network }, never());
    await host.close();
    assert.deepEqual(driver.held, []);
  });

  test("tells a machine that its owner ended from one that crashed", async () => {
    const { host } = open(0);
    await using _host = host;
    const machine = await host.create({ id: idOf(5), memoryMiB: 768, env: {}, network }, never());
    await machine[Symbol.asyncDispose]();
    assert.equal((await machine.gone).kind, "disposed");
  });

  test("refuses when there is no room, and starts nothing", async () => {
    const { driver, host } = open(0, async () => {
      throw new SandboxError("HOST_DISK_FULL");
    });
    await using _host = host;
    const creating = host.create({ id: idOf(6), memoryMiB: 768, env: {}, network }, never());
    await assert.rejects(creating, { code: "HOST_DISK_FULL" });
    assert.deepEqual(driver.held, []);
  });

  test("undoes a create that is given up", async () => {
    const { driver, host } = open(0);
    await using _host = host;
    const abort = new AbortController();
    const creating = host.create({ id: idOf(7), memoryMiB: 768, env: {}, network }, abort.signal);
    abort.abort(new Error("the client left"));
    await assert.rejects(creating, /the client left/);
    await host.close();
    assert.deepEqual(driver.held, []);
  });
});
