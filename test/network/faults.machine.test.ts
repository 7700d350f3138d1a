import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, suite, test } from "node:test";

import { Sandbox } from "@skerry/sdk";

import { eventually } from "../support/eventually.ts";
import { evil, good, startInternet, type Internet } from "../support/internet.ts";
import { makeTestHome, prepared } from "../support/machine-home.ts";
import { startServer, type TestServer } from "../support/server.ts";

let internet: Internet;
before(async () => {
  internet = await startInternet();
});
after(() => internet[Symbol.asyncDispose]());

const allowNet = ["good.test"];

async function run(sandbox: Sandbox, command: string): Promise<string> {
  return await sandbox.sh`bash -c ${command}`.noThrow().stderr("null").text();
}

/** The one attack that every leak would let through, and what shows that the network works at all. */
async function reach(sandbox: Sandbox): Promise<{ readonly good: string; readonly evil: string }> {
  return {
    good: await run(sandbox, "curl -sk -m 5 https://good.test/"),
    evil: await run(sandbox, `curl -sk -m 5 https://${evil}/; curl -sk -m 5 https://evil.test/`),
  };
}

function egressOf(server: TestServer): number {
  const parent = server.process.pid ?? 0;
  const found = readdirSync("/proc").filter((entry) => {
    try {
      const isOurs =
        readFileSync(`/proc/${entry}/stat`, "utf8").split(") ")[1]?.split(" ")[1] ===
        String(parent);
      return (
        isOurs && readFileSync(`/proc/${entry}/cmdline`, "utf8").includes("egress/src/main.ts")
      );
    } catch {
      return false; // no process, or one that has ended meanwhile
    }
  });
  assert.equal(found.length, 1);
  return Number(found[0]);
}

suite("the network when something fails", { timeout: 240_000 }, () => {
  const args = (): readonly string[] => ["--name-server", internet.names.address];

  test("egress has no privileges", async () => {
    await using server = await startServer({ args: args() });
    const status = readFileSync(`/proc/${egressOf(server)}/status`, "utf8");
    assert.match(status, /^Uid:(\s+1879048191){4}$/m);
    assert.match(status, /^Groups:\s*$/m);
    assert.match(status, /^CapEff:\s+0+$/m);
    assert.match(status, /^CapPrm:\s+0+$/m);
  });

  test("egress that is killed lets nothing through, and the next one knows the policies", async () => {
    await using server = await startServer({ args: args() });
    const options = { endpoint: server.url, token: server.token };
    await using sandbox = await Sandbox.create({ ...options, allowNet });
    assert.deepEqual(await reach(sandbox), { good: `reached ${good}`, evil: "" });
    for (let times = 0; times < 2; times++) {
      process.kill(egressOf(server), "SIGKILL");
      await eventually("the network is back", async () => {
        const found = await reach(sandbox);
        assert.equal(found.evil, "");
        return found.good === `reached ${good}`;
      });
    }
    await using other = await Sandbox.create({ ...options, allowNet: ["evil.test"] });
    assert.equal(await run(other, "curl -sk -m 5 https://evil.test/"), `reached ${evil}`);
    assert.equal((await reach(sandbox)).evil, "");
  });

  test("a server that is killed gives its sandboxes their policy back when it returns", async () => {
    using home = makeTestHome(prepared().home);
    const first = await startServer({ home, args: args() });
    const sandbox = await Sandbox.create({
      ...{ endpoint: first.url, token: first.token, lifetime: "10m", allowNet },
    });
    assert.equal((await reach(sandbox)).good, `reached ${good}`);
    first.process.kill("SIGKILL");
    await first.ended;
    await using second = await startServer({ home, args: args() });
    const options = { endpoint: second.url, token: second.token };
    const again = await Sandbox.connect(sandbox.id, options);
    assert.deepEqual(await reach(again), { good: `reached ${good}`, evil: "" });
    await again.kill();
    await sandbox.close();
  });

  test("one sandbox that asks and connects without end holds up no other", async () => {
    await using server = await startServer({ args: args() });
    const options = { endpoint: server.url, token: server.token };
    await using noisy = await Sandbox.create({ ...options, allowNet });
    await using quiet = await Sandbox.create({ ...options, allowNet });
    const flood = [
      "import socket,threading",
      "a=socket.gethostbyname('good.test')",
      "held=[]",
      "def go():",
      "  while True:",
      "    try: s=socket.create_connection((a,443),2); held.append(s)",
      "    except OSError: pass",
      "for _ in range(8): threading.Thread(target=go,daemon=True).start()",
      "print('flooding',flush=True)",
      "threading.Event().wait()",
    ].join("\n");
    await using child = await noisy.spawn("python3", {
      ...{ args: ["-c", flood], stdout: "piped", stderr: "null" },
    });
    await child.stdout?.getReader().read();
    for (let i = 0; i < 3; i++) {
      assert.equal((await reach(quiet)).good, `reached ${good}`);
    }
  });
});
