import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

suite("skerry", { timeout: 400_000 }, () => {
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

suite("@skerry/sdk", { timeout: 400_000 }, () => {
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

  test("copies in every direction, with globs, and leaves out what leads astray", async () => {
    const directory = mkdtempSync(join(tmpdir(), "skerry-cli-"));
    try {
      mkdirSync(join(directory, "tree/deep"), { recursive: true });
      for (let at = 0; at < 100; at += 1) writeFileSync(join(directory, `tree/${at}.txt`), `${at}`);
      writeFileSync(join(directory, "tree/deep/run.sh"), "#!/bin/sh\necho ran\n", { mode: 0o755 });
      const [one, two] = await Promise.all([newSandbox(), newSandbox()]);

      const up = await skerry(["cp", join(directory, "tree"), `${one}:`, "--json"]);
      assert.equal(up.code, 0, up.stderr);
      assert.equal((JSON.parse(up.stdout) as { files: number }).files, 101);
      assert.equal((await skerry(["exec", one, "--", "./tree/deep/run.sh"])).stdout, "ran\n");

      await skerry(["exec", one, "--", "ln -s /etc tree/out && ln -s 1.txt tree/in"]);
      const across = await skerry(["cp", `${one}:tree`, `${two}:renamed`]);
      assert.equal(across.code, 0, across.stderr);
      assert.equal((await skerry(["exec", two, "--", "ls renamed | wc -l"])).stdout.trim(), "103");

      mkdirSync(join(directory, "back"));
      const down = await skerry(["cp", `${two}:renamed`, join(directory, "back")]);
      assert.equal(down.code, 0, down.stderr);
      assert.match(down.stderr, /left out: .*out/);
      assert.equal(readFileSync(join(directory, "back/renamed/in"), "utf8"), "1");
      assert.equal(existsSync(join(directory, "back/renamed/out")), false);

      mkdirSync(join(directory, "some"));
      const some = await skerry(["cp", `${one}:tree/1?.txt`, join(directory, "some")]);
      assert.equal(some.code, 0, some.stderr);
      assert.equal(readdirSync(join(directory, "some")).length, 10);

      const none = await skerry(["cp", `${one}:tree/*.none`, join(directory, "some")]);
      assert.deepEqual([none.code, /nothing matches/.test(none.stderr)], [1, true]);
      await Promise.all([skerry(["kill", one]), skerry(["kill", two])]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("shows what happened to a sandbox, also when it has ended", async () => {
    const id = await newSandbox();
    await skerry(["exec", id, "--", "exit 3"]);
    await skerry(["kill", id]);
    const shown = await skerry(["logs", id]);
    assert.match(shown.stdout, /command-started/);
    const events = JSON.parse((await skerry(["logs", id, "--json"])).stdout) as { kind: string }[];
    assert.ok(events.some(({ kind }) => kind === "stopped"));
  });

  test("gives a command a terminal when it has one, with its size and its keys", async () => {
    const id = await newSandbox();
    // Python's pty module makes a real terminal, sets its size, types, and shows what is shown.
    const script = `
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
shown = b""
while b"ready" not in shown: shown += os.read(fd, 4096)
os.write(fd, b"typed\\x03")
try:
    while True:
        more = os.read(fd, 4096)
        if not more: break
        shown += more
except OSError: pass
print(repr(shown.decode()), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;
    const command =
      "trap 'echo got SIGINT; stty size; exit 9' INT; test -t 0 && echo ready; while :; do read -r line; done";
    const cli = [process.execPath, "packages/cli/bin/skerry.mjs", "exec", id, "--", command];
    const env = { ...process.env, SKERRY_HOME: server.home, TERM: "xterm" };
    const child = spawn("python3", ["-c", script, ...cli], { env });
    let shown = "";
    child.stdout.on("data", (chunk: Buffer) => (shown += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (shown += chunk.toString()));
    await new Promise((resolve) => child.once("close", resolve));
    assert.match(shown, /got SIGINT(?:\\r)+\\n33 77(?:\\r)+\\n' 9/);
  });

  test("completes verbs and options in bash", async () => {
    const { stdout: script } = await skerry(["completion", "bash"]);
    const asked = `${script}\nCOMP_WORDS=(skerry co); COMP_CWORD=1; _skerry; echo "\${COMPREPLY[@]}"
      COMP_WORDS=(skerry exec --cw); COMP_CWORD=2; _skerry; echo "\${COMPREPLY[@]}"`;
    const { stdout } = spawnSync("bash", ["-c", asked], { encoding: "utf8" });
    assert.equal(stdout, "copy code completion\n--cwd\n");
  });

  test("has files of this machine in a new sandbox", async () => {
    const words = ["create", "--copy", "package.json", "--", "cat", "/app/package.json"];
    const created = await skerry(words);
    assert.equal(created.stdout, readFileSync("package.json", "utf8"), created.stderr);
  });
});

async function newSandbox(): Promise<string> {
  const { stdout, stderr } = await skerry(["create", "--timeout", "5m"]);
  assert.match(stdout, /^sbx_/, stderr);
  return stdout.trim();
}
