import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { after, before, suite, test } from "node:test";

import { KillController, Sandbox, SandboxCommandError, type SpawnOptions } from "@deno/sandbox";

import { collect, useServer } from "../support/official.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let sandbox: Sandbox;

before(async () => {
  server = await startServer();
  useServer(server);
  sandbox = await Sandbox.create();
});
after(async () => {
  await sandbox.close();
  await server[Symbol.asyncDispose]();
});

suite("sh", { timeout: 400_000 }, () => {
  test("gives text", async () => {
    assert.equal(await sandbox.sh`pwd`.text(), "/home/sandbox\n");
    assert.equal(await sandbox.sh`whoami`.text(), "sandbox\n");
  });

  test("gives JSON", async () => {
    const data = await sandbox.sh`echo '{"count": 42}'`.json<{ count: number }>();
    assert.equal(data.count, 42);
  });

  test("runs on a kernel of its own", async () => {
    const release = await sandbox.sh`uname -r`.text();
    assert.match(release, /cloud-amd64/);
    assert.equal((await sandbox.sh`nproc`.text()).trim(), "2");
    assert.match(await sandbox.sh`cat /proc/1/comm`.text(), /skerry|init/);
  });

  test("escapes what is put into a command", async () => {
    const name = "file with 'quotes' and $dollars `ticks` \"and\" more.txt";
    const content = "Hello, *world*!\n\\n ~ $(id)";
    await sandbox.sh`printf %s ${content} > ${name}`;
    assert.equal(await sandbox.sh`cat ${name}`.text(), content);
    await sandbox.sh`rm ${name}`;
  });

  test("makes several arguments of an array", async () => {
    const files = ["a 1.txt", "b'2.txt", "c$3.txt"];
    await sandbox.sh`touch ${files}`;
    assert.equal(await sandbox.sh`ls ${files} | wc -l`.text(), "3\n");
    await sandbox.sh`rm ${files}`;
  });

  test("throws SandboxCommandError with the code", async () => {
    await assert.rejects(
      async () => await sandbox.sh`exit 42`,
      (error) => error instanceof SandboxCommandError && error.code === 42,
    );
  });

  test("gives the status instead with noThrow", async () => {
    const result = await sandbox.sh`exit 1`.noThrow();
    assert.deepEqual(
      { code: result.status.code, success: result.status.success },
      { code: 1, success: false },
    );
  });

  // The official client's builder (0.13.2) keeps only the modifier that was called last.
  test("runs as root with sudo", async () => {
    await sandbox.sh`touch /etc/made-by-root`.sudo();
    assert.equal((await sandbox.fs.stat("/etc/made-by-root")).uid, 0);
    assert.equal(await sandbox.sh`sudo whoami`.text(), "root\n");
  });

  test("gives binary output and its text", async () => {
    const result = await sandbox.sh`head -c 3000 /dev/zero | tr '\\0' '\\377'`.stdout("piped");
    assert.equal(result.stdout?.length, 3000);
    assert.ok(result.stdout?.every((byte) => byte === 255));
  });

  test("keeps stderr apart", async () => {
    const command: SpawnOptions = {
      args: ["-c", "echo out; echo err >&2"],
      stdout: "piped",
      stderr: "piped",
    };
    const result = await (await sandbox.spawn("bash", command)).output();
    assert.deepEqual([result.stdoutText, result.stderrText], ["out\n", "err\n"]);
  });

  test("sets variables and the directory of one command", async () => {
    await sandbox.sh`echo $WHO > /tmp/who`.env("WHO", "me");
    await sandbox.sh`pwd > where`.cwd("/tmp");
    assert.equal(await sandbox.sh`cat /tmp/who /tmp/where`.text(), "me\n/tmp\n");
  });

  for (const [name, make] of [
    ["a KillController kills it", () => new KillController()],
    ["an AbortSignal aborts", () => new AbortController()],
  ] as const) {
    test(`ends with 143 when ${name}`, async () => {
      const controller = make();
      const running = sandbox.sh`touch running; sleep 300`.signal(controller.signal).result();
      running.catch(() => undefined);
      await sandbox.sh`until [ -e running ]; do :; done; rm running`;
      if (controller instanceof AbortController) controller.abort();
      else controller.kill();
      await assert.rejects(running, { name: "SandboxCommandError", code: 143 });
    });
  }

  test("keeps the sandbox's variables for later commands", async () => {
    await sandbox.env.set("API_KEY", "secret-key-123");
    assert.equal((await sandbox.sh`echo $API_KEY`.text()).trim(), "secret-key-123");
    assert.equal(await sandbox.env.get("API_KEY"), "secret-key-123");
    assert.equal((await sandbox.env.toObject())["API_KEY"], "secret-key-123");
    await sandbox.env.delete("API_KEY");
    assert.equal(await sandbox.env.get("API_KEY"), undefined);
    assert.equal(await sandbox.sh`echo "[$API_KEY]"`.text(), "[]\n");
  });
});

suite("spawn", { timeout: 400_000 }, () => {
  test("pipes stdin through, byte for byte", async () => {
    const child = await sandbox.spawn("cat", { stdin: "piped", stdout: "piped" });
    const bytes = new Uint8Array(300_000).map((_, i) => (i * 7919) % 256);
    const writer = child.stdin!.getWriter();
    const writing = (async () => {
      for (let at = 0; at < bytes.length; at += 50_000) {
        await writer.write(bytes.slice(at, at + 50_000));
      }
      await writer.close();
    })();
    const output = await collect(child.stdout!);
    await writing;
    assert.ok(output.equals(bytes));
    assert.equal((await child.status).code, 0);
  });

  test("streams a large file to a local one, as in the README's example", async () => {
    const directory = mkdtempSync(join(tmpdir(), "skerry-conformance-"));
    const copy = join(directory, "big-local-copy.txt");
    try {
      await sandbox.fs.writeTextFile("big.txt", "#".repeat(5_000_000));
      const child = await sandbox.spawn("cat", { args: ["big.txt"], stdout: "piped" });
      await child.stdout!.pipeTo(Writable.toWeb(createWriteStream(copy)));
      const status = await child.status;
      assert.deepEqual([status.success, status.code], [true, 0]);
      assert.equal(statSync(copy).size, 5_000_000);
      assert.equal(
        await digest(copy),
        createHash("sha256").update("#".repeat(5_000_000)).digest("hex"),
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("reports a program that is not there", async () => {
    await assert.rejects(sandbox.spawn("/no/such/program"), { code: "ENOENT" });
  });

  test("tells the signal that ended a program", async () => {
    const child = await sandbox.spawn("sleep", { args: ["300"], stdout: "null", stderr: "null" });
    await child.kill("SIGKILL");
    const status = await child.status;
    assert.deepEqual([status.code, status.signal, status.success], [137, "SIGKILL", false]);
    await child.kill(); // gone already: no error, as in Deno
  });

  test("kills the children of a command with it", async () => {
    const child = await sandbox.spawn("bash", {
      args: ["-c", "sleep 987 & sleep 987 & wait"],
      stdout: "null",
      stderr: "null",
    });
    await child.kill("SIGTERM");
    await child.status;
    assert.equal(await sandbox.sh`pgrep -f 'sleep [9]87' || echo none`.text(), "none\n");
  });

  test("clears the environment when asked to", async () => {
    const child = await sandbox.spawn("env", {
      clearEnv: true,
      env: { ONLY: "this" },
      stdout: "piped",
    });
    assert.equal((await collect(child.stdout!)).toString(), "ONLY=this\n");
    await child.status;
  });
});

async function digest(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
