import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, suite, test } from "node:test";

import { Client, Sandbox } from "@deno/sandbox";
import { Client as SkerryClient } from "@skerry/sdk";

import { eventually } from "../support/eventually.ts";
import { holdingsOf } from "../support/holdings.ts";
import { machineProcesses, residentMiB } from "../support/machines.ts";
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

suite("when a machine dies", { timeout: 400_000 }, () => {
  const deaths: readonly {
    readonly name: string;
    readonly kill: (sandbox: Sandbox) => Promise<unknown>;
    readonly detail: RegExp;
  }[] = [
    {
      name: "because its kernel panics",
      kill: (sandbox) =>
        sandbox.spawn("sudo", { args: ["sh", "-c", "echo c > /proc/sysrq-trigger"] }),
      detail: /^exit status 0; its console said last: Kernel panic - not syncing: sysrq triggered/,
    },
    {
      name: "because its PID 1 is killed",
      kill: (sandbox) => sandbox.spawn("sudo", { args: ["kill", "1"] }),
      detail: /^exit status 0; its console said last: .*reboot: Power down$/,
    },
    {
      name: "because its QEMU is killed",
      kill: async (sandbox) => {
        const pid = machineProcesses(server.home).get(sandbox.id);
        assert.ok(pid !== undefined);
        process.kill(pid, "SIGKILL");
      },
      detail: /^SIGKILL$/,
    },
  ];
  for (const { name, kill, detail } of deaths) {
    test(`${name}, whoever waits gets an error, its events say how, and no other sandbox notices`, async () => {
      const sandbox = await Sandbox.create();
      const waiting = sandbox.sh`sleep 1000`.text();
      waiting.catch(() => undefined);
      const ended = sandbox.closed;
      kill(sandbox).catch(() => undefined);
      await assert.rejects(waiting);
      await ended;
      await assert.rejects(Sandbox.connect(sandbox.id), { code: "SANDBOX_NOT_FOUND" });
      const client = new SkerryClient({ endpoint: server.url, token: server.token });
      const stopped = (await client.sandboxes.events(sandbox.id)).find(
        ({ kind }) => kind === "stopped",
      );
      assert.equal(stopped?.detail["reason"], "crashed");
      assert.match(String(stopped.detail["detail"]), detail);
      await unharmed();
    });
  }

  test("by kill(), sockets close and nothing is left", async () => {
    const sandbox = await Sandbox.create({ timeout: "5m" });
    await sandbox.kill();
    await unharmed();
  });
});

suite("when a client is gone", { timeout: 400_000 }, () => {
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

suite("when somebody does not keep pace", { timeout: 400_000 }, () => {
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

suite("when a machine is used up", { timeout: 400_000 }, () => {
  test("a fork bomb is an error in it, and it recovers", async () => {
    await using sandbox = await Sandbox.create();
    const bomb = "for i in $(seq 30000); do sleep 100 & done";
    const child = await sandbox.spawn("bash", {
      args: ["-c", bomb],
      stdout: "null",
      stderr: "null",
    });
    await child.status;
    await sandbox.sh`kill -KILL -1`.noThrow();
    await eventually("there is room for a process again", async () => {
      return (await sandbox.sh`/bin/true`.noThrow()).status.success;
    });
    await unharmedBystander();
  });

  test("a full disk is an error in it", async () => {
    await using sandbox = await Sandbox.create();
    const full =
      await sandbox.sh`fallocate -l 9900M big; dd if=/dev/zero of=more bs=1M 2>&1 | head -1`.text();
    assert.match(full, /No space left on device/);
    await assert.rejects(sandbox.fs.writeFile("last", new Uint8Array(50_000_000)), {
      code: "ENOSPC",
    });
    await sandbox.fs.remove("big");
    await sandbox.fs.writeTextFile("note", "there is room again");
    await unharmedBystander();
  });

  test("memory that runs out ends the process with a verdict", async () => {
    await using sandbox = await Sandbox.create();
    const child = await sandbox.spawn("python3", {
      args: ["-c", "b = []\nwhile True: b.append(b'x' * (1 << 20))"],
      stdout: "null",
      stderr: "null",
    });
    const status = await child.status;
    assert.deepEqual([status.signal, status.oom], ["SIGKILL", true]);
    assert.equal(await sandbox.sh`echo alive`.text(), "alive\n");
    await unharmedBystander();
  });

  test("10,000 orphans leave no zombie, and no exit code is lost", async () => {
    await using sandbox = await Sandbox.create();
    const orphans =
      "for i in $(seq 100); do (for j in $(seq 100); do true & done) & done; wait; exit 7";
    assert.equal((await sandbox.sh`bash -c ${orphans}`.noThrow()).status.code, 7);
    await eventually("the zombies are gone", async () => {
      return (await sandbox.sh`ps -eo stat= | grep -c ^Z || true`.text()) === "0\n";
    });
  });
});

async function unharmedBystander(): Promise<void> {
  assert.equal(await bystander.sh`echo unharmed`.text(), "unharmed\n");
}
