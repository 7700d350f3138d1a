import { globSync } from "node:fs";

import { check } from "./check.ts";
import { interruptible, prepare } from "./prepare.ts";
import { main, run } from "./run.ts";
import { ProgressDisplay } from "./setup/index.ts";

/** `npm test`: the set-up, the gate, the native programs' tests, and every test with real machines. */
await main(async () => {
  const signal = interruptible();
  const home = await setUpWithDisplay(signal);
  await check();
  await run("the native programs' tests", ["cargo", "test", "--release", "--locked", "--quiet"], {
    cwd: "native",
  });
  await run(
    "the tests with machines",
    [
      process.execPath,
      ...["--disable-warning=ExperimentalWarning", "--test", "--test-concurrency=1"],
      ...["--test-reporter=spec", "--test-timeout=600000"],
      ...globSync("test/**/*.machine.test.ts").toSorted(),
    ],
    { env: { ...process.env, SKERRY_HOME: home } },
  );
});

async function setUpWithDisplay(signal: AbortSignal): Promise<string> {
  using display = new ProgressDisplay({ stream: process.stdout });
  return (await prepare(display, signal)).home;
}
