import assert from "node:assert/strict";
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";

import type { Sandbox, SshAccess } from "@skerry/sdk";

import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { collect } from "../support/official.ts";
import { type TestServer } from "../support/server.ts";
import { startSshSandbox } from "../support/ssh-sandbox.ts";
import { program, type Ran } from "../support/ssh.ts";

/**
 * The command lines of the two documents that the gateway implements, and those of the guide, word for word but for the host, the port,
 * the token and the key. They run in bash, in a directory where the files are that they speak of.
 */
const held = new AsyncDisposableStack();
let server: TestServer;
let sandbox: Sandbox;
let access: SshAccess;
let directory: string;

before(async () => {
  ({ server, sandbox, directory, access } = held.use(await startSshSandbox()));
  await program("ssh-keygen", [
    ...["-q", "-t", "ed25519", "-N", "", "-C", "user@host", "-f", join(directory, "id")],
  ]);
  writeFileSync(join(directory, "build.log"), "built\n");
  const known = `[${access.hostname}]:${access.port} ${access.hostKey}\n`;
  writeFileSync(join(directory, "known_hosts"), known);
  // What a user's own configuration says: which hosts are known, and which key is theirs.
  const config = join(directory, "config");
  writeFileSync(
    config,
    `UserKnownHostsFile ${join(directory, "known_hosts")}\nIdentityFile ${join(directory, "id")}\nBatchMode yes\n`,
  );
  mkdirSync(join(directory, "bin"));
  for (const name of ["ssh", "scp", "sftp"]) {
    const wrapper = `#!/bin/sh\nexec /usr/bin/${name} -F '${config}' "$@"\n`;
    writeFileSync(join(directory, "bin", name), wrapper, { mode: 0o755 });
  }
});
after(() => held.disposeAsync());

function start(line: string): ChildProcessWithoutNullStreams {
  return spawn("bash", ["-c", line], {
    cwd: directory,
    env: {
      ...process.env,
      PATH: `${join(directory, "bin")}:${process.env["PATH"]}`,
      ...{ SANDBOX0_BASE_URL: server.url, SANDBOX0_TOKEN: server.token, SANDBOX_ID: sandbox.id },
      KEY_ID: keyId,
    },
  });
}

async function bash(line: string, input = ""): Promise<Ran> {
  const child = start(line);
  child.stdin.end(input);
  const ended = once(child, "close");
  const [stdout, stderr] = await Promise.all([collect(child.stdout), collect(child.stderr)]);
  const [code] = (await ended) as [number | null];
  return { code, stdout, stderr: stderr.toString() };
}

let keyId = "";

suite("the command lines of Sandbox0's document", { timeout: 400_000 }, () => {
  test("upload a key, and list it", async () => {
    const key = readFileSync(join(directory, "id.pub"), "utf8").trim();
    const { stdout } = await bash(
      `curl -sS -X POST "$SANDBOX0_BASE_URL/users/me/ssh-keys" -H "Authorization: Bearer $SANDBOX0_TOKEN" -H "Content-Type: application/json" -d '{ "name": "laptop", "public_key": "${key}" }'`,
    );
    const made = JSON.parse(stdout.toString()) as Record<string, string>;
    assert.deepEqual(Object.keys(made).toSorted(), [
      ...["comment", "created_at", "fingerprint_sha256", "id", "key_type", "name", "public_key"],
      "updated_at",
    ]);
    keyId = made["id"] ?? "";
    const listed = await bash(
      `curl -sS "$SANDBOX0_BASE_URL/users/me/ssh-keys" -H "Authorization: Bearer $SANDBOX0_TOKEN"`,
    );
    assert.deepEqual(JSON.parse(listed.stdout.toString()), [made]);
  });

  test("read where the sandbox is, and enter it", async () => {
    const { stdout } = await bash(
      `curl -sS "$SANDBOX0_BASE_URL/api/v1/sandboxes/$SANDBOX_ID" -H "Authorization: Bearer $SANDBOX0_TOKEN"`,
    );
    const { ssh } = JSON.parse(stdout.toString()) as { ssh: Record<string, string> };
    const [port, to] = [ssh["port"], `${ssh["username"]}@${ssh["host"]}`];
    const shell = await bash(`ssh -p ${port} ${to}`, "echo from a shell\n");
    assert.deepEqual([shell.code, shell.stdout.toString()], [0, "from a shell\n"]);
    const command = await bash(`ssh -p ${port} ${to} 'uname -a'`);
    assert.match(command.stdout.toString(), /^Linux sbx-/);
  });

  test("copy files", async () => {
    const [port, to] = [access.port, `${sandbox.id}@${access.hostname}`];
    const up = await bash(`scp -P ${port} ./build.log ${to}:/workspace/build.log`);
    assert.equal(up.code, 0, up.stderr);
    await sandbox.sh`cp /workspace/build.log /workspace/output.txt`;
    const down = await bash(`scp -P ${port} ${to}:/workspace/output.txt ./output.txt`);
    assert.equal(down.code, 0, down.stderr);
    assert.equal(readFileSync(join(directory, "output.txt"), "utf8"), "built\n");
    const sftp = await bash(`sftp -P ${port} ${to}`, "ls -1 /workspace\n");
    assert.match(sftp.stdout.toString(), /build\.log\n\/workspace\/output\.txt/);
  });

  test("take the key away", async () => {
    const deleted = await bash(
      `curl -sS -X DELETE "$SANDBOX0_BASE_URL/users/me/ssh-keys/$KEY_ID" -H "Authorization: Bearer $SANDBOX0_TOKEN"`,
    );
    assert.equal(deleted.code, 0);
    const refused = await bash(`ssh -p ${access.port} ${sandbox.id}@${access.hostname} true`);
    assert.equal(refused.code, 255);
  });
});

suite("the command lines of Deno's document", { timeout: 400_000 }, () => {
  test("enter by the username alone, and with the returned key", async () => {
    const { hostname, port, username, privateKey } = access;
    const plain = await bash(`ssh -p ${port} ${username}@${hostname}`, "whoami\n");
    assert.deepEqual([plain.code, plain.stdout.toString()], [0, "sandbox\n"]);
    writeFileSync(join(directory, "sandbox-key"), privateKey);
    const keyed = await bash(
      `chmod 600 sandbox-key && ssh -p ${port} -i ./sandbox-key ${username}@${hostname}`,
      "whoami\n",
    );
    assert.deepEqual([keyed.code, keyed.stdout.toString()], [0, "sandbox\n"]);
  });

  test("leaving does not end the sandbox", async () => {
    const { hostname, port, username } = access;
    assert.equal((await bash(`ssh -p ${port} ${username}@${hostname}`, "exit 4\n")).code, 4);
    assert.equal(await sandbox.sh`echo on`.text(), "on\n");
  });
});

suite("the command lines of the guide", { timeout: 400_000 }, () => {
  const page = readFileSync(new URL("../../docs/guide/ssh.md", import.meta.url), "utf8");
  const block = /^```text\n(scp [^]*?)^```/m.exec(page)?.[1] ?? "";
  /** The page's line with a beginning, with the username and the port of this test. */
  const line = (beginning: string): string => {
    const found = block.split("\n").find((one) => one.startsWith(beginning));
    assert.ok(found !== undefined, `the guide has no line with ${beginning}`);
    return found
      .replaceAll("USERNAME@127.0.0.1", `${access.username}@${access.hostname}`)
      .replaceAll("2222", `${access.port}`);
  };

  test("copy a file, and a tree", async () => {
    const copied = await bash(line("scp"));
    assert.equal(copied.code, 0, copied.stderr);
    assert.equal(await sandbox.fs.readTextFile("/workspace/build.log"), "built\n");
    const listed = await bash(line("sftp"), "ls -1 /workspace\n");
    assert.match(listed.stdout.toString(), /build\.log/);
    mkdirSync(join(directory, "app", "src"), { recursive: true });
    writeFileSync(join(directory, "app", "src", "main.ts"), "export {};\n");
    const synchronized = await bash(line("rsync"));
    assert.equal(synchronized.code, 0, synchronized.stderr);
    assert.equal(await sandbox.fs.readTextFile("app/src/main.ts"), "export {};\n");
  });

  test("clone a repository", async () => {
    await sandbox.sh`mkdir -p app/repo && cd app/repo && git init -q && git -c user.name=n -c user.email=e@example.com commit -q --allow-empty -m first`;
    const cloned = await bash(line("git"));
    assert.equal(cloned.code, 0, cloned.stderr);
    const { stdout } = await bash("git -C repo log --format=%s");
    assert.equal(stdout.toString(), "first\n");
  });

  test("forward a port in, and another out", async () => {
    await using inside = await sandbox.listen({ port: 8080 });
    const outside = createServer((socket) => socket.end("outside")).listen(0, "127.0.0.1");
    held.defer(() => void outside.close());
    await once(outside, "listening");
    const [local, served] = [await freePort(), (outside.address() as AddressInfo).port];
    const command = line("ssh").replace("-L 8080:", `-L ${local}:`).replace(":3000", `:${served}`);
    const forwarding = start(`exec ${command}`);
    const ended = once(forwarding, "close");
    try {
      const visitor = await eventually("the port here", () => dial(local));
      const connection = await inside.accept();
      await new Response("inside").body?.pipeTo(connection.writable);
      assert.equal((await collect(visitor)).toString(), "inside");
      const asked = await sandbox.sh`timeout 10 bash -c 'cat < /dev/tcp/127.0.0.1/7001'`.text();
      assert.equal(asked, "outside");
    } finally {
      forwarding.kill();
      await ended;
    }
  });
});

/** A connection to a port of this host, or nothing where nobody listens. */
async function dial(port: number): Promise<Socket | undefined> {
  const socket = connect(port, "127.0.0.1");
  return await once(socket, "connect").then(
    () => socket,
    () => undefined,
  );
}
