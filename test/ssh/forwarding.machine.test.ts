import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";

import { limits } from "@skerry/protocol";
import { Sandbox, type SshAccess } from "@skerry/sdk";
import ssh2 from "ssh2";

import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { startSshSandbox } from "../support/ssh-sandbox.ts";
import { program, sshConfig, type Ran } from "../support/ssh.ts";

const held = new AsyncDisposableStack();
let server: TestServer;
let sandbox: Sandbox;
let directory: string;
let access: SshAccess;
let config: string;

before(async () => {
  ({ sandbox, directory, access, config, server } = held.use(
    await startSshSandbox({ args: ["--ssh-agent"] }),
  ));
});
after(() => held.disposeAsync());

/** Opens a forwarding, uses it once the client says that it stands, and ends it. */
async function forwarding(args: readonly string[], use: () => Promise<void>): Promise<void> {
  const options = ["-F", config, "-v", "-o", "ExitOnForwardFailure=yes", ...args];
  const child = spawn("ssh", [...options, "box", "echo stands; exec sleep 1000"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, "exit");
  try {
    await Promise.race([
      once(child.stdout, "data"),
      ended.then(() => Promise.reject(new Error(`ssh has ended: ${said}`))),
    ]);
    await use();
  } finally {
    child.kill();
    await ended;
  }
}

async function ask(port: number, path: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.end(`GET ${path} HTTP/1.0\r\n\r\n`);
  let got = "";
  for await (const chunk of socket as AsyncIterable<Buffer>) got += chunk.toString();
  return got;
}

/** A server here that gives back, in capitals, what it is sent. */
async function echoServer(
  at: string | number,
): Promise<AsyncDisposable & { readonly server: Server }> {
  const echo = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    void (async () => {
      let got = "";
      for await (const chunk of socket as AsyncIterable<Buffer>) got += chunk.toString();
      socket.end(got.toUpperCase());
    })().catch(() => {});
  });
  echo.listen(typeof at === "number" ? { port: at, host: "127.0.0.1" } : { path: at });
  await once(echo, "listening");
  return {
    server: echo,
    async [Symbol.asyncDispose]() {
      echo.close();
      await once(echo, "close");
    },
  };
}

const refused = "(refused)\n";

/** In the sandbox: connects, sends, says that it has no more, and prints what comes back. */
function say(target: string, text: string): Promise<string> {
  const code = `import socket, sys
target, text = sys.argv[1:]
unix = target.startswith("/")
s = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
try: s.connect(target if unix else ("127.0.0.1", int(target)))
except ConnectionRefusedError: print("(refused)"); sys.exit()
s.sendall(text.encode()); s.shutdown(socket.SHUT_WR)
print(b"".join(iter(lambda: s.recv(65536), b"")).decode(), end="")`;
  return sandbox.sh`python3 -c ${code} ${target} ${text}`.text();
}

suite("forwarding into the sandbox", { timeout: 400_000 }, () => {
  test("-L reaches a server that listens on the sandbox's own address", async () => {
    await sandbox.sh`mkdir -p www && echo served > www/page`;
    await using _server = await sandbox.spawn("python3", {
      args: ["-m", "http.server", "--bind", "127.0.0.1", "--directory", "www", "8123"],
      ...{ stdout: "null", stderr: "null" },
    });
    const [local, socks] = [await freePort(), await freePort()];
    await forwarding(["-L", `${local}:localhost:8123`], async () => {
      await eventually(
        "the page",
        async () => (await ask(local, "/page").catch(() => "")).includes("served"),
        60_000,
      );
    });
    await forwarding(["-D", String(socks)], async () => {
      await eventually(
        "the page by SOCKS",
        async () => {
          const args = [
            "-sS",
            "--socks5-hostname",
            `127.0.0.1:${socks}`,
            "http://127.0.0.1:8123/page",
          ];
          return (await program("curl", args)).stdout.toString() === "served\n";
        },
        60_000,
      );
    });
  });

  test("-L to a Unix socket reaches it", async () => {
    const code = `import socket; s = socket.socket(socket.AF_UNIX); s.bind("/tmp/sock"); s.listen()
while True:
  c, _ = s.accept(); c.recv(99); c.sendall(b"by unix"); c.close()`;
    await using _server = await sandbox.spawn("python3", { args: ["-c", code] });
    const local = await freePort();
    await forwarding(["-L", `${local}:/tmp/sock`], async () => {
      await eventually(
        "an answer",
        async () => (await ask(local, "/").catch(() => "")) === "by unix",
        60_000,
      );
    });
  });
});

suite("forwarding out of the sandbox", { timeout: 400_000 }, () => {
  test("-R leads from a port in the sandbox to a server here, both ways and to both ends", async () => {
    await using echo = await echoServer(0);
    const { port } = echo.server.address() as AddressInfo;
    await forwarding(["-R", `7001:127.0.0.1:${port}`], async () => {
      assert.equal(await say("7001", "over there"), "OVER THERE");
      const great = "x".repeat(100_000);
      assert.equal(await say("7001", great), great.toUpperCase());
      const several = await Promise.all(["a", "b", "c"].map((text) => say("7001", text)));
      assert.deepEqual(several, ["A", "B", "C"]);
    });
    // Who forwarded has gone, and nothing listens any more.
    assert.equal(await say("7001", "x"), refused);
  });

  test("-R 0 takes a port, and tells which", async () => {
    await using one = await echoServer(0);
    await using other = await echoServer(0);
    const targets = [one, other].map((echo) => {
      return `0:127.0.0.1:${(echo.server.address() as AddressInfo).port}`;
    });
    const child = spawn(
      "ssh",
      ["-F", config, "-N", ...targets.flatMap((target) => ["-R", target]), "box"],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    try {
      let said = "";
      child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
      const ports = (): string[] =>
        [...said.matchAll(/Allocated port (\d+)/g)].map(([, number]) => number ?? "");
      await eventually("both ports", () => ports().length === 2, 60_000);
      assert.notEqual(ports()[0], ports()[1]);
      for (const allocated of ports()) assert.equal(await say(allocated, "any"), "ANY");
    } finally {
      child.kill();
      await once(child, "exit");
    }
  });

  test("-R leads from a Unix socket in the sandbox to one here", async () => {
    const local = join(directory, "echo.sock");
    await using _echo = await echoServer(local);
    await forwarding(["-R", `/tmp/there.sock:${local}`], async () => {
      assert.equal(await say("/tmp/there.sock", "by unix"), "BY UNIX");
    });
    await eventually("the socket's file has gone", async () => {
      return (await sandbox.sh`test -e /tmp/there.sock`.noThrow()).status.code === 1;
    });
  });

  test("-R is refused where something listens already, and the session goes on", async () => {
    await using _server = await sandbox.listen({ port: 7002 });
    const { code, stdout, stderr } = await program("ssh", [
      ...["-F", config, "-R", "7002:127.0.0.1:1", "box", "echo on"],
    ]);
    assert.deepEqual([code, stdout.toString()], [0, "on\n"]);
    assert.match(stderr, /remote port forwarding failed for listen port 7002/);
  });

  test("a connection that leads nowhere here ends there", async () => {
    const port = await freePort();
    await forwarding(["-R", `7003:127.0.0.1:${port}`], async () => {
      assert.equal(await say("7003", ""), "");
    });
  });

  test("a client may take it back, and has so many", async () => {
    const client = new ssh2.Client();
    const { hostname: host, port, username } = access;
    client.connect({ host, port, username });
    await once(client, "ready");
    const listen = async (wanted: number): Promise<number | null> => {
      const { promise, resolve } = Promise.withResolvers<number | null>();
      client.forwardIn("localhost", wanted, (error, bound) =>
        resolve(error === undefined ? bound : null),
      );
      return await promise;
    };
    const bound = await Promise.all(
      Array.from({ length: limits.sshForwardsMax + 4 }, async () => await listen(0)),
    );
    const ports = bound.filter((each) => each !== null);
    assert.equal(ports.length, limits.sshForwardsMax);
    const [first = 0] = ports;
    const { promise: taken, resolve, reject } = Promise.withResolvers<void>();
    client.unforwardIn("localhost", first, (error) =>
      error === undefined ? resolve() : reject(error),
    );
    await taken;
    assert.equal(await say(String(first), ""), refused);
    assert.equal(await listen(first), first);
    client.end();
    await once(client, "close");
  });
});

suite("the client's agent", { timeout: 400_000 }, () => {
  /** Runs with an agent of its own that holds one key. */
  async function withAgent<T>(
    use: (socket: string, fingerprint: string) => Promise<T>,
  ): Promise<T> {
    const socket = join(directory, "agent.sock");
    const agent = spawn("ssh-agent", ["-D", "-a", socket], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      await once(agent.stdout, "data");
      const identity = join(directory, "lent");
      await program("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", identity]);
      const env = { ...process.env, SSH_AUTH_SOCK: socket };
      assert.equal((await program("ssh-add", ["-q", identity], undefined, env)).code, 0);
      const shown = await program("ssh-keygen", ["-l", "-f", identity]);
      return await use(socket, shown.stdout.toString().split(" ")[1] ?? "");
    } finally {
      agent.kill();
      await once(agent, "exit");
    }
  }

  const enter = async (way: string, socket: string, command: string): Promise<Ran> =>
    await program("ssh", ["-F", way, "-A", "box", command], undefined, {
      ...process.env,
      SSH_AUTH_SOCK: socket,
    });

  test("signs in the sandbox where the operator allows it, and leaves nothing there", async () => {
    await withAgent(async (socket, fingerprint) => {
      const command = "ssh-add -l; stat -c %a $SSH_AUTH_SOCK; echo $SSH_AUTH_SOCK";
      const { code, stdout, stderr } = await enter(config, socket, command);
      assert.equal(code, 0, stderr);
      const [key = "", mode, path = ""] = stdout.toString().trim().split("\n");
      assert.ok(key.includes(fingerprint), key);
      assert.equal(mode, "600");
      await eventually("its socket has gone", async () => {
        return (await sandbox.sh`test -e ${path}`.noThrow()).status.code === 1;
      });
    });
  });

  test("is not lent otherwise", async () => {
    await using strict = await startServer();
    await using mine = await Sandbox.create({
      ...{ endpoint: strict.url, token: strict.token, ssh: true },
    });
    assert.ok(mine.ssh !== undefined);
    const way = sshConfig(directory, mine.ssh);
    await withAgent(async (socket) => {
      const { stdout } = await enter(way, socket, "echo [$SSH_AUTH_SOCK]");
      assert.equal(stdout.toString(), "[]\n");
    });
  });
});

suite("what @skerry/sdk listens on", { timeout: 400_000 }, () => {
  test("is reached by programs in the sandbox until it is closed", async () => {
    const listener = await sandbox.listen({ port: 0 });
    const port = String(listener.port);
    const served = (async () => {
      for await (const made of listener) {
        assert.equal(made.address, "127.0.0.1");
        await made.readable.pipeTo(made.writable);
      }
    })();
    assert.deepEqual(await Promise.all([say(port, "one"), say(port, "two")]), ["one", "two"]);
    await listener.close();
    await served;
    assert.equal(await say(port, "three"), refused);
    await assert.rejects(listener.accept(), { code: "EBADF" });
  });

  test("closes with the connection of who listened", async () => {
    const other = await Sandbox.connect({
      ...{ id: sandbox.id, endpoint: server.url, token: server.token },
    });
    const listener = await other.listen({ port: 0 });
    await other.close();
    const port = String(listener.port);
    await eventually("nothing listens", async () => (await say(port, "")) === refused);
  });

  test("says why it cannot", async () => {
    await using _first = await sandbox.listen({ port: 7010 });
    await assert.rejects(sandbox.listen({ port: 7010 }), { code: "EADDRINUSE" });
    await assert.rejects(sandbox.listen({ path: "/no/such/place" }), { code: "ENOENT" });
    await assert.rejects(sandbox.listen({ port: 70_000 }), { code: "INVALID_PARAMS" });
  });
});
