import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Sandbox } from "@skerry/sdk";

import { makeTestHome } from "../../test/support/machine-home.ts";
import { startServer } from "../../test/support/server.ts";
import { program, sshConfig } from "../../test/support/ssh.ts";
import { row, type Row, timed, times } from "./stats.ts";

const fileBytes = 64 * 1_048_576;

/** What entering by SSH costs, with the clients that people have. */
export async function ssh(): Promise<Row[]> {
  using directory = makeTestHome();
  await using server = await startServer({ pool: 1 });
  const options = { endpoint: server.url, token: server.token };
  await using sandbox = await Sandbox.create({ ...options, ssh: true });
  if (sandbox.ssh === undefined) throw new Error("there is no way in");
  return await measure("gateway", sshConfig(directory.path, sandbox.ssh), directory.path);
}

async function measure(name: string, config: string, directory: string): Promise<Row[]> {
  const run = async (command: string): Promise<void> => {
    const { code, stderr } = await program("ssh", ["-F", config, "box", command]);
    if (code !== 0) throw new Error(`${name}: ${stderr}`);
  };
  const connects = await times(20, async () => await run("true"));
  const file = join(directory, "file");
  writeFileSync(file, Buffer.alloc(fileBytes, "skerry"));
  const copy = async (from: string, to: string): Promise<number> => {
    const ms = await timed(async () => {
      const { code, stderr } = await program("scp", ["-q", "-F", config, from, to]);
      if (code !== 0) throw new Error(`${name}: ${stderr}`);
    });
    return fileBytes / 1_000 / ms;
  };
  const ups: number[] = [];
  const downs: number[] = [];
  for (let turn = 0; turn < 3; turn += 1) {
    ups.push(await copy(file, "box:/tmp/file"));
    downs.push(await copy("box:/tmp/file", `${file}.back`));
  }
  if (statSync(`${file}.back`).size !== fileBytes) throw new Error(`${name}: bytes are missing`);
  return [
    row(`${name}: connect and run true`, "ms", connects),
    row(`${name}: keystroke to echo`, "ms", await keystrokes(config)),
    row(`${name}: scp to the sandbox`, "MB/s", ups),
    row(`${name}: scp from the sandbox`, "MB/s", downs),
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
