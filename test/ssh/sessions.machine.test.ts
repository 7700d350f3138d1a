import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";

import { Sandbox as OfficialSandbox } from "@deno/sandbox";
import { Client, Sandbox, type SshAccess } from "@skerry/sdk";

import { eventually } from "../support/eventually.ts";
import { useServer } from "../support/official.ts";
import { type TestServer } from "../support/server.ts";
import { startSshSandbox } from "../support/ssh-sandbox.ts";
import { program, sshConfig, type Ran, type Way } from "../support/ssh.ts";

const held = new AsyncDisposableStack();
let server: TestServer;
let sandbox: Sandbox;
let directory: string;
let access: SshAccess;
let config: string;

before(async () => {
  ({ server, sandbox, directory, access, config } = held.use(await startSshSandbox()));
});
after(() => held.disposeAsync());

async function ssh(args: readonly string[], input?: Buffer | string): Promise<Ran> {
  return await program("ssh", ["-F", config, ...args], input);
}

suite("a command over ssh", { timeout: 400_000 }, () => {
  test("runs with its output, its errors and its exit code", async () => {
    const { code, stdout, stderr } = await ssh(["box", "echo out; echo err >&2; pwd; exit 7"]);
    assert.deepEqual([code, stdout.toString(), stderr], [7, "out\n/home/sandbox\n", "err\n"]);
  });

  test("ends by a signal as it does elsewhere", async () => {
    const { code, stderr } = await ssh(["-v", "box", "kill -TERM $$"]);
    assert.equal(code, 255);
    assert.match(stderr, /exit-signal|signal/i);
  });

  test("reads what it is sent, to its end and byte for byte", async () => {
    const sent = randomBytes(5_000_000);
    const { code, stdout } = await ssh(["box", "cat"], sent);
    assert.equal(code, 0);
    assert.ok(stdout.equals(sent));
  });

  test("has its errors whole, however many they are", async () => {
    const { code, stderr } = await ssh(["box", "head -c 6000000 /dev/zero | tr '\\0' e >&2"]);
    assert.deepEqual([code, stderr.length], [0, 6_000_000]);
  });

  test("has the variables that it is sent, and the sandbox's", async () => {
    await sandbox.env.set("FROM_SANDBOX", "1");
    const way = sshConfig(directory, access, ["SetEnv FROM_CLIENT=2"]);
    const { stdout } = await program("ssh", ["-F", way, "box", "echo $FROM_SANDBOX$FROM_CLIENT"]);
    assert.equal(stdout.toString(), "12\n");
  });

  test("has a terminal of the client's size when it asks for one", async () => {
    const { stdout } = await ssh(["-tt", "box", "stty size; echo $TERM; tty"]);
    assert.match(stdout.toString(), /^\d+ \d+\r\n\S+\r\n\/dev\/pts\/\d+\r\n$/);
  });

  test("is one of several over one connection", async () => {
    const way = sshConfig(directory, access, [
      ...["ControlMaster auto", `ControlPath ${join(directory, "master")}`, "ControlPersist 30"],
    ]);
    const runs = await Promise.all(
      ["one", "two", "three"].map(
        async (word) => await program("ssh", ["-F", way, "box", `echo ${word}`]),
      ),
    );
    assert.deepEqual(
      runs.map(({ stdout }) => stdout.toString()),
      ["one\n", "two\n", "three\n"],
    );
    await program("ssh", ["-F", way, "-O", "exit", "box"]);
  });
});

suite("a shell over ssh", { timeout: 400_000 }, () => {
  test("is interactive: it takes what is typed, Ctrl-C, and a change of the window", async () => {
    const child = spawn("ssh", ["-F", config, "-tt", "box"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    let shown = "";
    child.stdout.on("data", (chunk: Buffer) => (shown += chunk.toString()));
    const sees = async (what: RegExp): Promise<void> => {
      await eventually(`the terminal shows ${String(what)}`, () => what.test(shown), 60_000);
    };
    await sees(/\$ /);
    child.stdin.write("echo $((40 + 2)) é\n");
    await sees(/^42 é/m);
    // A shell that is interrupted while it starts a program may not have it interrupted.
    child.stdin.write("sh -c 'echo started; exec sleep 1000'\n");
    await sees(/^started/m);
    child.stdin.write("\x03");
    child.stdin.write("echo again-$?\n");
    await sees(/again-130/);
    child.stdin.write("exit 3\n");
    const [code] = (await once(child, "exit")) as [number];
    assert.equal(code, 3);
  });
});

suite("files over ssh", { timeout: 400_000 }, () => {
  const bytes = randomBytes(8_000_000);
  const digest = (content: Buffer): string => createHash("sha256").update(content).digest("hex");

  for (const [how, flags] of [
    ["scp", []],
    ["scp in its old way", ["-O"]],
  ] as const) {
    test(`${how} copies both ways`, async () => {
      const local = join(directory, "file");
      writeFileSync(local, bytes);
      const up = await program("scp", [...flags, "-F", config, local, "box:copied"]);
      assert.deepEqual([up.code, up.stderr], [0, ""]);
      const sum = await sandbox.sh`sha256sum copied`.text();
      assert.ok(sum.startsWith(digest(bytes)));
      const down = await program("scp", [...flags, "-F", config, "box:copied", `${local}.back`]);
      assert.deepEqual([down.code, down.stderr], [0, ""]);
      assert.ok(readFileSync(`${local}.back`).equals(bytes));
    });
  }

  test("sftp makes, renames, links, and says what there is", async () => {
    const batch = join(directory, "batch");
    writeFileSync(
      batch,
      [
        "mkdir d",
        `put ${config} d/a`,
        "rename d/a d/b",
        "symlink b d/c",
        "chmod 600 d/b",
        "ls -l d",
      ].join("\n"),
    );
    const { code, stdout } = await program("sftp", ["-F", config, "-b", batch, "box"]);
    assert.equal(code, 0);
    assert.match(stdout.toString(), /-rw-------.* d\/b/);
    assert.equal(await sandbox.fs.readLink("d/c"), "b");
  });

  test("rsync copies a tree, and then only what has changed", async () => {
    const tree = join(directory, "tree");
    mkdirSync(join(tree, "deep"), { recursive: true });
    for (let n = 0; n < 20; n += 1) writeFileSync(join(tree, "deep", `f${n}`), `content ${n}`);
    const rsync = async (): Promise<Ran> =>
      await program("rsync", [
        "-a",
        "--itemize-changes",
        "-e",
        `ssh -F ${config}`,
        `${tree}/`,
        "box:tree/",
      ]);
    assert.equal((await rsync()).code, 0);
    writeFileSync(join(tree, "deep", "f3"), "another content");
    const { stdout } = await rsync();
    assert.deepEqual(
      stdout
        .toString()
        .split("\n")
        .filter((line) => line.startsWith("<f"))
        .map((line) => line.split(" ")[1]),
      ["deep/f3"],
    );
  });

  test("git clones over it", async () => {
    await sandbox.sh`git init -q -b main repo && cd repo && git config user.email a@b.example && git config user.name a && echo hi > f && git add f && git commit -qm one`;
    const target = join(directory, "clone");
    const { code, stderr } = await program("git", [
      ...["-c", `core.sshCommand=ssh -F ${config}`, "clone", "-q", "box:repo", target],
    ]);
    assert.equal(code, 0, stderr);
    assert.equal(readFileSync(join(target, "f"), "utf8"), "hi\n");
  });
});

suite("who may enter", { timeout: 400_000 }, () => {
  /** A key of the user, uploaded. */
  async function uploaded(
    name: string,
  ): Promise<{ readonly identity: string; readonly id: string }> {
    const identity = join(directory, name);
    await program("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "me@here", "-f", identity]);
    const line = readFileSync(`${identity}.pub`, "utf8");
    const response = await api("POST", "/users/me/ssh-keys", { name, public_key: line });
    assert.equal(response.status, 201);
    const key = (await response.json()) as Record<string, string>;
    const shown = await program("ssh-keygen", ["-l", "-f", `${identity}.pub`]);
    assert.equal(key["fingerprint_sha256"], shown.stdout.toString().split(" ")[1]);
    assert.deepEqual([key["key_type"], key["comment"]], ["ssh-ed25519", "me@here"]);
    assert.equal(key["public_key"], line.trim());
    return { identity, id: key["id"] ?? "" };
  }

  async function api(method: string, path: string, body?: unknown): Promise<Response> {
    return await fetch(`${server.url}${path}`, {
      ...{ method, headers: { authorization: `Bearer ${server.token}` } },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }

  const as = (username: string, identity?: string): Way => ({
    ...{ ...access, username },
    ...(identity !== undefined && { identity }),
  });
  const enter = async (way: Way): Promise<Ran> =>
    await program("ssh", ["-F", sshConfig(directory, way), "box", "echo in"]);

  test("a user's key enters by the sandbox's id, and not when it is taken away", async () => {
    const detail = (await (await api("GET", `/api/v1/sandboxes/${sandbox.id}`)).json()) as {
      readonly ssh: { readonly host: string; readonly port: number; readonly username: string };
    };
    assert.deepEqual(detail.ssh, {
      host: access.hostname,
      port: access.port,
      username: sandbox.id,
    });
    const { identity, id } = await uploaded("laptop");
    assert.equal((await enter(as(sandbox.id, identity))).stdout.toString(), "in\n");
    const listed = (await (await api("GET", "/users/me/ssh-keys")).json()) as { id: string }[];
    assert.deepEqual(
      listed.map((key) => key.id),
      [id],
    );
    const way = sshConfig(directory, as(sandbox.id, identity));
    const open = spawn("ssh", ["-F", way, "box", "echo up; sleep 1000"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    await once(open.stdout, "data");
    const ended = once(open, "exit");
    assert.equal((await api("DELETE", `/users/me/ssh-keys/${id}`)).status, 204);
    await ended; // its sessions end
    assert.equal((await enter(as(sandbox.id, identity))).code, 255);
    assert.equal((await api("DELETE", `/users/me/ssh-keys/${id}`)).status, 404);
  });

  test("skerry ssh enters with nothing set up, and skerry ssh-keys uploads", async () => {
    const cli = async (...args: readonly string[]): Promise<Ran> =>
      await program(process.execPath, [
        ...["packages/cli/src/main.ts", "--endpoint", server.url, "--token", server.token, ...args],
      ]);
    const ran = await cli("ssh", sandbox.id, "echo $0; exit 5");
    assert.deepEqual([ran.code, ran.stdout.toString()], [5, "bash\n"], ran.stderr);
    const identity = join(directory, "desktop");
    await program("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "desk", "-f", identity]);
    const added = await cli("ssh-keys", "add", `${identity}.pub`);
    assert.match(added.stdout.toString(), /^key_[0-9a-z]{20}\n$/);
    assert.match((await cli("ssh-keys")).stdout.toString(), /desk +ssh-ed25519 +SHA256:/);
    assert.equal((await enter(as(sandbox.id, identity))).code, 0);
    assert.equal((await cli("ssh-keys", "delete", added.stdout.toString().trim())).code, 0);
    assert.equal((await enter(as(sandbox.id, identity))).code, 255);
  });

  test("the private key of exposeSsh enters by the sandbox's id as well", async () => {
    const identity = join(directory, "returned");
    writeFileSync(identity, access.privateKey, { mode: 0o600 });
    assert.equal((await enter(as(sandbox.id, identity))).stdout.toString(), "in\n");
  });

  test("nobody else: all are refused in the same words", async () => {
    const identity = join(directory, "stranger");
    await program("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", identity]);
    const refusals = await Promise.all(
      [
        as(sandbox.id, identity),
        as(sandbox.id),
        as(`${sandbox.id.slice(0, -1)}0`, identity),
        as("root", identity),
        as(`${access.username.slice(0, -1)}0`),
        as("0".repeat(32)),
      ].map(enter),
    );
    for (const { code, stdout, stderr } of refusals) {
      assert.deepEqual([code, stdout.length], [255, 0]);
      assert.match(stderr, /^\S+@127\.0\.0\.1: Permission denied \(publickey\)\.\r?\n$/);
    }
  });

  for (const [what, body] of [
    ["no key", { name: "x", public_key: "hello" }],
    ["no name", { name: "", public_key: "ssh-ed25519 AAAA" }],
    ["nothing", {}],
  ] as const) {
    test(`an upload with ${what} is refused`, async () => {
      assert.equal((await api("POST", "/users/me/ssh-keys", body)).status, 400);
    });
  }

  test("a sandbox that ends ends its connections, and its username leads nowhere", async () => {
    const mine = await Sandbox.create({ endpoint: server.url, token: server.token });
    const way = await mine.exposeSsh();
    const open = spawn("ssh", ["-F", sshConfig(directory, way), "box", "echo up; sleep 1000"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    await once(open.stdout, "data");
    const ended = once(open, "exit");
    await mine.kill();
    await ended;
    assert.equal((await enter(way)).code, 255);
  });

  test("what enters is in the event log, without the username", async () => {
    const client = new Client({ endpoint: server.url, token: server.token });
    await eventually("the events", async () => {
      const events = await client.sandboxes.events(sandbox.id);
      return ["ssh-opened", "ssh-closed"].every((kind) =>
        events.some((event) => event.kind === kind),
      );
    });
    const text = JSON.stringify(await client.sandboxes.events(sandbox.id));
    assert.ok(!text.includes(access.username) && !server.output().includes(access.username));
  });
});

suite("the documents' ssh, with the official client", { timeout: 400_000 }, () => {
  test("exposeSsh() and the option", async () => {
    useServer(server);
    await using mine = await OfficialSandbox.create({ ssh: true });
    for (const way of [mine.ssh, await mine.exposeSsh()]) {
      assert.ok(way !== undefined);
      const { port, hostKey } = access;
      const { code, stdout } = await program("ssh", [
        ...["-F", sshConfig(directory, { ...way, port, hostKey }), "box", "uname"],
      ]);
      assert.deepEqual([code, stdout.toString()], [0, "Linux\n"]);
    }
  });
});
