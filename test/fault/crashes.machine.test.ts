import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, suite, test } from "node:test";

import { Client, Sandbox } from "@deno/sandbox";

import { eventually } from "../support/eventually.ts";
import { holdingsOf } from "../support/holdings.ts";
import { isAlive, machineProcesses, residentMiB } from "../support/machines.ts";
import { useServer } from "../support/official.ts";
import { RawClient, silentConnection } from "../support/raw-client.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let bystander: Sandbox;
let quiet: string[];

before(async () => {
  server = await startServer();
  useServer(server);
  bystander = await Sandbox.create();
  quiet = holdingsOf(server.home);
});
after(async () => {
  await bystander.close();
  await server[Symbol.asyncDispose]();
});

/** Nothing is left but what was there, and the other sandbox works. */
async function unharmed(): Promise<void> {
  await eventually("nothing is left of the sandbox", () => {
    return JSON.stringify(holdingsOf(server.home)) === JSON.stringify(quiet);
  });
  assert.equal(await bystander.sh`echo unharmed`.text(), "unharmed\n");
}

suite("when a machine dies", { timeout: 180_000 }, () => {
  const deaths: readonly (readonly [string, (sandbox: Sandbox) => Promise<unknown>])[] = [
    [
      "because its kernel panics",
      (sandbox) => sandbox.spawn("sudo", { args: ["sh", "-c", "echo c > /proc/sysrq-trigger"] }),
    ],
    [
      "because its QEMU is killed",
      async (sandbox) => {
        const pid = machineProcesses(server.home).get(sandbox.id);
        assert.ok(pid !== undefined);
        process.kill(pid, "SIGKILL");
      },
    ],
  ];
  for (const [name, kill] of deaths) {
    test(`${name}, whoever waits gets an error, and no other sandbox notices`, async () => {
      const sandbox = await Sandbox.create();
      const waiting = sandbox.sh`sleep 1000`.text();
      waiting.catch(() => undefined);
      const ended = sandbox.closed;
      kill(sandbox).catch(() => undefined);
      await assert.rejects(waiting);
      await ended;
      await assert.rejects(Sandbox.connect(sandbox.id), { code: "SANDBOX_NOT_FOUND" });
      await unharmed();
    });
  }

  test("by kill(), sockets close and nothing is left", async () => {
    const sandbox = await Sandbox.create({ timeout: "5m" });
    await sandbox.kill();
    await unharmed();
  });
});

suite("when a client is gone", { timeout: 180_000 }, () => {
  test("in the middle of a stream, its sandbox ends", async () => {
    const client = await RawClient.create(server);
    await client.call("spawn", { command: "yes", stdout: "piped", stderr: "null" });
    client.socket.terminate();
    await unharmed();
  });

  test("while its sandbox is being created, nothing is left", async () => {
    for (const ms of [5, 40, 120]) {
      const creating = RawClient.create(server);
      creating.catch(() => undefined);
      const controller = new AbortController();
      setTimeout(() => controller.abort(), ms);
      await new Promise((resolve) => controller.signal.addEventListener("abort", resolve));
      void creating.then((client) => client.socket.terminate());
      await creating.catch(() => undefined);
      await unharmed();
    }
  });

  test("without saying so, silence ends its sandbox", async () => {
    const { socket, id } = await silentConnection(server);
    const running = await new Client().sandboxes.list();
    assert.ok(running.some((listed) => listed.id === id && listed.status === "running"));
    socket.resume();
    await once(socket, "close");
    await unharmed();
  });
});

suite("when somebody does not keep pace", { timeout: 180_000 }, () => {
  test("a client that never reads costs the server no memory", async () => {
    const pid = server.process.pid ?? 0;
    const client = await RawClient.create(server);
    const answer = await client.call("spawn", { command: "yes", stdout: "piped", stderr: "null" });
    assert.ok(answer.result?.ok !== undefined);
    client.socket.pause();
    await bystander.sh`sleep 3`;
    const before = residentMiB(pid);
    await bystander.sh`sleep 3`;
    assert.ok(residentMiB(pid) - before < 32, `${before} to ${residentMiB(pid)} MiB`);
    client.socket.terminate();
    await unharmed();
  });

  test("a guest that floods is slowed down to its reader", async () => {
    await using sandbox = await Sandbox.create();
    const child = await sandbox.spawn("bash", {
      args: ["-c", "yes & yes >&2 & yes & wait"],
      stdout: "piped",
      stderr: "null",
    });
    const reader = child.stdout!.getReader();
    await reader.read();
    assert.equal(await sandbox.sh`echo prompt`.text(), "prompt\n");
    await child.kill("SIGKILL");
    await child.status;
  });

  test("1 GiB of stdout arrives whole, with bounded memory", async () => {
    const bytes = 1024 ** 3;
    await using sandbox = await Sandbox.create();
    const child = await sandbox.spawn("head", {
      args: ["-c", String(bytes), "/dev/zero"],
      stdout: "piped",
      stderr: "null",
    });
    let received = 0;
    let largestMiB = 0;
    for await (const chunk of child.stdout!) {
      received += chunk.length;
      largestMiB = Math.max(largestMiB, residentMiB(server.process.pid ?? 0));
    }
    assert.equal(received, bytes);
    assert.equal((await child.status).code, 0);
    assert.ok(largestMiB < 400, `${largestMiB} MiB`);
  });
});

test(
  "a fork bomb and a full disk are errors in the machine only",
  { timeout: 180_000 },
  async () => {
    await using sandbox = await Sandbox.create();
    const bomb = await sandbox.sh`for i in $(seq 30000); do sleep 100 & done; echo survived`
      .noThrow()
      .stderr("null");
    assert.ok(bomb.status.code !== undefined);
    const full = await sandbox.sh`head -c 11G /dev/zero > big`.noThrow().stderr("piped");
    assert.match(full.stderrText ?? "", /No space left on device/);
    assert.ok(isAlive(server.process.pid ?? 0));
    await unharmedBystander();
  },
);

async function unharmedBystander(): Promise<void> {
  assert.equal(await bystander.sh`echo unharmed`.text(), "unharmed\n");
}
