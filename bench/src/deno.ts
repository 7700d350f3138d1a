import { Sandbox as OfficialSandbox } from "@deno/sandbox";
import { Sandbox } from "@skerry/sdk";

import { useServer } from "../../test/support/official.ts";
import { startServer } from "../../test/support/server.ts";
import { row, timed, type Row, times } from "./stats.ts";

const sandboxes = 8;

/** What Deno takes in a sandbox: the REPL that waits in it, one that has to start, and a program. */
export async function deno(): Promise<Row[]> {
  await using server = await startServer({ pool: 2 });
  useServer(server);
  const rows: Row[] = [];
  for (const [name, make] of [
    ["@skerry/sdk", () => Sandbox.create({ endpoint: server.url, token: server.token })],
    ["official client", () => OfficialSandbox.create()],
  ] as const) {
    const first: number[] = [];
    const second: number[] = [];
    for (let i = 0; i < sandboxes; i += 1) {
      await using sandbox = await make();
      first.push(await timed(() => sandbox.deno.eval("1 + 1")));
      second.push(await timed(() => sandbox.deno.eval("1 + 1")));
    }
    rows.push(row(`${name}: first deno.eval of a sandbox`, "ms", first));
    rows.push(row(`${name}: second deno.eval`, "ms", second));
  }
  await using sandbox = await Sandbox.create({ endpoint: server.url, token: server.token });
  await using repl = await sandbox.deno.repl();
  rows.push(row("repl.eval", "ms", await times(40, () => repl.eval("1 + 1"))));
  rows.push(row("deno.run of an empty program", "ms", await times(6, () => runEmpty(sandbox), 1)));
  return rows;
}

async function runEmpty(sandbox: Sandbox): Promise<void> {
  const child = await sandbox.deno.run({ code: "", stdout: "null", stderr: "null" });
  await child.status;
}
