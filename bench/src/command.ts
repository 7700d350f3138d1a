import { Sandbox } from "@skerry/sdk";

import { startServer } from "../../test/support/server.ts";
import { row, type Row, times } from "./stats.ts";

/** Round trips on a sandbox that is there, from the wire alone to a shell. */
export async function command(): Promise<Row[]> {
  await using server = await startServer({ pool: 1 });
  await using sandbox = await Sandbox.create({ endpoint: server.url, token: server.token });
  const spawn = async (program: string): Promise<void> => {
    await (
      await sandbox.spawn(program, { stdout: "null", stderr: "null" })
    ).status;
  };
  const tenAtOnce = async (): Promise<void> => {
    await Promise.all(Array.from({ length: 10 }, () => spawn("true")));
  };
  return [
    row("env.get", "ms", await times(100, () => sandbox.env.get("HOME"))),
    row("fs.stat", "ms", await times(100, () => sandbox.fs.stat("/etc/passwd"))),
    row("spawn of true, to its status", "ms", await times(60, () => spawn("true"))),
    row("sh`true`", "ms", await times(60, async () => await sandbox.sh`true`)),
    row("ten spawns of true at once, to the last status", "ms", await times(20, tenAtOnce)),
  ];
}
