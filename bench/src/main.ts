import { interruptible, prepare } from "../../tools/prepare.ts";
import { main } from "../../tools/run.ts";
import { ProgressDisplay } from "../../tools/setup/index.ts";
import { command } from "./command.ts";
import { create } from "./create.ts";
import { deno } from "./deno.ts";
import { idle } from "./idle.ts";
import { ingress } from "./ingress.ts";
import { network } from "./network.ts";
import { report } from "./report.ts";
import { setup } from "./setup.ts";
import { ssh } from "./ssh.ts";
import { throughput } from "./throughput.ts";
import { transfer } from "./transfer.ts";

const benchmarks = {
  create,
  command,
  deno,
  idle,
  throughput,
  transfer,
  network,
  ingress,
  ssh,
  setup,
};

/** `npm run bench -- NAME`: one benchmark, or `all`. */
await main(async () => {
  const [name] = process.argv.slice(2);
  const chosen = Object.entries(benchmarks).filter(([each]) => name === "all" || name === each);
  if (chosen.length === 0) {
    console.log(`npm run bench -- ${Object.keys(benchmarks).join(" | ")} | all`);
    return;
  }
  const home = await setUp();
  process.env["SKERRY_HOME"] = home;
  for (const [each, run] of chosen) report(each, home, await run());
});
process.exit();

async function setUp(): Promise<string> {
  using display = new ProgressDisplay({ stream: process.stdout });
  return (await prepare(display, interruptible())).home;
}
