import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, suite, test } from "node:test";

import { Sandbox } from "@skerry/sdk";

import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
before(async () => {
  server = await startServer();
});
after(() => server[Symbol.asyncDispose]());

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `skerry` as a user's shell does. */
async function skerry(args: readonly string[], input = ""): Promise<Ended> {
  const child = spawn(process.execPath, ["packages/cli/bin/skerry.mjs", ...args], {
    env: { ...process.env, SKERRY_HOME: server.home },
  });
  const text = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (text.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (text.stderr += chunk.toString()));
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, ...text };
}

suite("skerry", { timeout: 180_000 }, () => {
  test("creates, runs commands in, lists, extends and kills a sandbox", async () => {
    const created = await skerry(["create", "--timeout", "5m", "--label", "made=by-cli"]);
    const id = created.stdout.trim();
    assert.match(id, /^sbx_ord_/, created.stderr);

    const piped = await skerry(["exec", id, "--", "tr", "a-z", "A-Z"], "from a pipe\n");
    assert.deepEqual([piped.code, piped.stdout], [0, "FROM A PIPE\n"]);
    assert.equal((await skerry(["exec", id, "--", "exit", "7"])).code, 7);

    const list = JSON.parse((await skerry(["list", "--json"])).stdout) as { id: string }[];
    assert.ok(list.some((entry) => entry.id === id));
    assert.equal((await skerry(["extend", id, "10m"])).code, 0);
    assert.equal((await skerry(["kill", id])).code, 0);
    const gone = await skerry(["exec", id, "--", "true"]);
    assert.notEqual(gone.code, 0);
    assert.match(gone.stderr, /^error: .*\n/);
  });

  test("prints an environment that the clients understand", async () => {
    const { stdout } = await skerry(["env", "--json"]);
    const env = JSON.parse(stdout) as Record<string, string>;
    assert.equal(env["DENO_SANDBOX_ENDPOINT"], server.url);
    assert.equal(env["SKERRY_TOKEN"], server.token);
  });

  test("doctor explains why KVM is not used, or says that it is", async () => {
    const { stdout } = await skerry(["doctor"]);
    assert.match(stdout, /acceleration: (kvm|KVM|emulation \(TCG\), not KVM: \S+)/);
  });
});

suite("@skerry/sdk", { timeout: 120_000 }, () => {
  test("keeps every modifier of a chained command, and sends the environment with the creation", async () => {
    await using sandbox = await Sandbox.create({
      ...{ endpoint: server.url, token: server.token },
      env: { STAGE: "test" },
    });
    const text = await sandbox.sh`echo $STAGE $WHO in $PWD`.env("WHO", "me").cwd("/tmp").text();
    assert.equal(text, "test me in /tmp\n");
    assert.equal(await sandbox.sh`whoami`.sudo().text(), "root\n");
    await sandbox.fs.writeTextFile("note", "kept");
    const other = await Sandbox.connect(sandbox.id, { endpoint: server.url, token: server.token });
    assert.equal(await other.fs.readTextFile("note"), "kept");
    await other.close();
  });
});
