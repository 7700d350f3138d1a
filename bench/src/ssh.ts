import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Sandbox } from "@skerry/sdk";

import { makeTestHome } from "../../test/support/machine-home.ts";
import { startServer } from "../../test/support/server.ts";
import { program, sshConfig, type Way } from "../../test/support/ssh.ts";
import { row, type Row, timed, times } from "./stats.ts";

const fileBytes = 64 * 1_048_576;

/**
 * What entering by SSH costs with the clients that people have: through the gateway, and, in the same run and the
 * same machine, to an sshd of OpenSSH in it, by a port that is forwarded to it byte by byte.
 */
export async function ssh(): Promise<Row[]> {
  using directory = makeTestHome();
  await using server = await startServer({ pool: 1, program: "bench/src/forwarding-server.ts" });
  const options = { endpoint: server.url, token: server.token };
  await using sandbox = await Sandbox.create({ ...options, ssh: true });
  if (sandbox.ssh === undefined) throw new Error("there is no way in");
  const port = Number(/^direct (\d+)$/m.exec(server.output())?.[1]);
  const sshd = await startSshd(sandbox, directory.path, port);
  return [
    ...(await measure("gateway", sshConfig(directory.path, sandbox.ssh), directory.path)),
    ...(await measure("sshd in the machine", sshConfig(directory.path, sshd), directory.path)),
  ];
}

/** OpenSSH's own server in the sandbox, on port 3000, with a key of ours. It installs for a minute or two. */
async function startSshd(sandbox: Sandbox, directory: string, port: number): Promise<Way> {
  const identity = join(directory, "identity");
  await program("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", identity]);
  await sandbox.fs.mkdir(".ssh", { mode: 0o700 });
  const publicKey = readFileSync(`${identity}.pub`, "utf8");
  await sandbox.fs.writeTextFile(".ssh/authorized_keys", publicKey, { mode: 0o600 });
  const script = `export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
apt-get -qq update && apt-get -qq install --yes --no-install-recommends openssh-server
mkdir -p /run/sshd && /usr/sbin/sshd -p 3000`;
  const installed =
    await sandbox.sh`sudo bash -euc ${script} </dev/null >/tmp/sshd.log 2>&1`.noThrow();
  if (!installed.status.success) throw new Error(await sandbox.sh`tail -20 /tmp/sshd.log`.text());
  const hostKey = (await sandbox.fs.readTextFile("/etc/ssh/ssh_host_ed25519_key.pub")).trim();
  return { ...{ hostname: "127.0.0.1", port, username: "sandbox" }, hostKey, identity };
}

async function measure(name: string, config: string, directory: string): Promise<Row[]> {
  const run = async (command: string): Promise<void> => {
    const { code, stderr } = await program("ssh", ["-F", config, "box", command]);
    if (code !== 0) throw new Error(`${name}: ${stderr}`);
  };
  const connects = await times(20, async () => await run("true"));
  const file = join(directory, "file");
  writeFileSync(file, Buffer.alloc(fileBytes, "skerry"));
  const speed = async (command: string, args: readonly string[]): Promise<number> => {
    const ms = await timed(async () => {
      const { code, stderr } = await program(command, args);
      if (code !== 0) throw new Error(`${name}: ${stderr}`);
    });
    return fileBytes / 1_000 / ms;
  };
  const scp = (from: string, to: string) => speed("scp", ["-q", "-F", config, from, to]);
  // Whole files: how fast bytes come, not how clever it is not to send them.
  const rsync = (from: string, to: string) =>
    speed("rsync", ["-W", "-I", "-e", `ssh -F ${config}`, from, to]);
  const back = `${file}.back`;
  const speeds: Record<"scpUp" | "scpDown" | "rsyncUp" | "rsyncDown", number[]> = {
    ...{ scpUp: [], scpDown: [], rsyncUp: [], rsyncDown: [] },
  };
  for (let turn = 0; turn < 3; turn += 1) {
    rmSync(back, { force: true });
    speeds.scpUp.push(await scp(file, "box:/tmp/file"));
    speeds.scpDown.push(await scp("box:/tmp/file", back));
    speeds.rsyncUp.push(await rsync(file, "box:/tmp/file"));
    speeds.rsyncDown.push(await rsync("box:/tmp/file", back));
  }
  if (statSync(back).size !== fileBytes) throw new Error(`${name}: bytes are missing`);
  return [
    row(`${name}: connect and run true`, "ms", connects),
    row(`${name}: keystroke to echo`, "ms", await keystrokes(config)),
    row(`${name}: scp to the sandbox`, "MB/s", speeds.scpUp),
    row(`${name}: scp from the sandbox`, "MB/s", speeds.scpDown),
    row(`${name}: rsync to the sandbox`, "MB/s", speeds.rsyncUp),
    row(`${name}: rsync from the sandbox`, "MB/s", speeds.rsyncDown),
  ];
}

/** How long a key takes to a program and back to the terminal. */
async function keystrokes(config: string): Promise<number[]> {
  const child = spawn(
    "ssh",
    ["-F", config, "-tt", "box", "stty -icanon -echo; echo ready; exec cat"],
    {
      stdio: ["pipe", "pipe", "ignore"],
    },
  );
  const seen = async (): Promise<string> => {
    const [chunk] = (await once(child.stdout, "data")) as [Buffer];
    return chunk.toString();
  };
  let shown = "";
  while (!shown.includes("ready")) shown += await seen();
  const key = async (): Promise<void> => {
    const echo = seen();
    child.stdin.write("x");
    await echo;
  };
  try {
    return await times(100, key);
  } finally {
    child.kill();
    await once(child, "exit");
  }
}
