import assert from "node:assert/strict";
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";

import { freePort } from "../support/free-port.ts";
import { startSshSandbox } from "../support/ssh-sandbox.ts";
import { program } from "../support/ssh.ts";

/**
 * What VS Code's Remote-SSH does with a host, channel by channel: a shell without a terminal reads an
 * installer, the server's archive comes by scp or sftp, the installer starts the server in the background and
 * tells its port between marks, and everything from then on is long-lived connections through `-D`.
 */
const mark = "9a1f0c52";
/** In the place of the editor's server: says what it is, then gives back what it gets. */
const serverProgram = `import socket, threading
s = socket.create_server(("127.0.0.1", 0), backlog=64)
print("Extension host agent listening on", s.getsockname()[1], flush=True)
def serve(c):
    c.sendall(b"hello\\n")
    while data := c.recv(65536): c.sendall(data)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
`;
const installer = `set -e
echo "${mark}: running"
uname -rsv
DIR=$HOME/.vscode-server/bin/${mark}
LOG=$HOME/.vscode-server/.${mark}.log
mkdir -p "$DIR" && chmod 700 "$HOME/.vscode-server"
if [ ! -f "$DIR/server.py" ]; then tar -xzf "$HOME/server.tar.gz" -C "$DIR"; fi
if [ -f "$LOG.pid" ] && kill -0 "$(cat "$LOG.pid")" 2>/dev/null; then
  echo "Found running server"
else
  nohup python3 "$DIR/server.py" >"$LOG" 2>&1 </dev/null &
  echo $! >"$LOG.pid"
fi
for i in $(seq 200); do
  PORT=$(sed -n 's/.*listening on \\([0-9]*\\).*/\\1/p' "$LOG")
  [ -n "$PORT" ] && break
  sleep 0.1
done
echo "${mark}: start"
echo "listeningOn==$PORT=="
echo "osReleaseId==$(. /etc/os-release; echo $ID)=="
echo "arch==$(uname -m)=="
echo "tmpDir==\${XDG_RUNTIME_DIR:-/tmp}=="
echo "exitCode==0=="
echo "${mark}: end"
`;

const held = new AsyncDisposableStack();
let config: string;
let directory: string;

before(async () => {
  ({ config, directory } = held.use(await startSshSandbox()));
});
after(() => held.disposeAsync());

/** The editor's one connection: a shell whose input stays open, and SOCKS beside it. */
class Remote implements AsyncDisposable {
  readonly said: string;
  readonly socksPort: number;
  readonly #ssh: ChildProcessWithoutNullStreams;

  private constructor(ssh: ChildProcessWithoutNullStreams, socksPort: number, said: string) {
    this.#ssh = ssh;
    this.socksPort = socksPort;
    this.said = said;
  }

  static async open(): Promise<Remote> {
    const socksPort = await freePort();
    const args = ["-F", config, "-T", "-D", String(socksPort), "-o", "ServerAliveInterval=10"];
    const ssh = spawn("ssh", [...args, "box", "bash"]);
    ssh.stdin.write(installer);
    let said = "";
    for await (const chunk of ssh.stdout) {
      said += String(chunk);
      if (said.includes(`${mark}: end`)) return new Remote(ssh, socksPort, said);
    }
    throw new Error(`the installer has ended: ${said}`);
  }

  value(name: string): string {
    return new RegExp(`^${name}==(.*)==$`, "m").exec(this.said)?.[1] ?? "";
  }

  /** A connection through SOCKS 5, as far as the server's greeting. */
  async connect(): Promise<Socket> {
    const socket = connect(this.socksPort, "127.0.0.1");
    socket.setTimeout(30_000, () => socket.destroy(new Error("silence")));
    socket.write(Buffer.from([5, 1, 0]));
    await read(socket, 2);
    const name = Buffer.from("localhost");
    const port = Buffer.alloc(2);
    port.writeUInt16BE(Number(this.value("listeningOn")));
    socket.write(Buffer.concat([Buffer.from([5, 1, 0, 3, name.length]), name, port]));
    const answer = await read(socket, 10);
    assert.equal(answer[1], 0, "SOCKS says that it is connected");
    assert.equal((await read(socket, 6)).toString(), "hello\n");
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ssh.kill();
    await once(this.#ssh, "exit");
  }
}

/** The next bytes of a connection, so many. The rest of what has come waits. */
async function read(socket: Socket, bytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let got = 0; got < bytes;) {
    const piece = socket.read(Math.min(bytes - got, socket.readableLength)) as Buffer | null;
    if (piece === null) await once(socket, "readable");
    else {
      pieces.push(piece);
      got += piece.length;
    }
  }
  return Buffer.concat(pieces);
}

suite("an editor that works on the sandbox over ssh", { timeout: 400_000 }, () => {
  test("installs its server, and its connections through it live as long as they are used", async () => {
    const archive = join(directory, "server.tar.gz");
    writeFileSync(join(directory, "server.py"), serverProgram);
    await program("tar", ["-czf", archive, "-C", directory, "server.py"]);
    assert.equal((await program("scp", ["-F", config, archive, "box:"])).code, 0);
    await using remote = await Remote.open();
    assert.match(remote.said, new RegExp(`^${mark}: running\nLinux 6\\.`));
    assert.deepEqual([remote.value("osReleaseId"), remote.value("exitCode")], ["debian", "0"]);

    const sockets = await Promise.all(Array.from({ length: 12 }, () => remote.connect()));
    // The management connection is there for all of it; others come, carry much, and go.
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(
        sockets.map(async (socket, n) => {
          const sent = randomBytes(1 + 20_000 * n);
          socket.write(sent);
          assert.ok((await read(socket, sent.length)).equals(sent));
        }),
      );
      const brief = await remote.connect();
      brief.destroy();
    }
    const batch = join(directory, "batch");
    writeFileSync(batch, `put ${archive} .vscode-server/again\nls -l .vscode-server\n`);
    assert.equal((await program("sftp", ["-F", config, "-b", batch, "box"])).code, 0);
    for (const socket of sockets) socket.destroy();
  });

  test("finds its server where it left it when it comes back", async () => {
    await using remote = await Remote.open();
    assert.match(remote.said, /^Found running server$/m);
    const socket = await remote.connect();
    socket.write("again");
    assert.equal((await read(socket, 5)).toString(), "again");
    socket.destroy();
  });
});
