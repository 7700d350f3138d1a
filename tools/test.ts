import { globSync } from "node:fs";
import { join } from "node:path";

import { check } from "./check.ts";
import { leftovers } from "./leftovers.ts";
import { interruptible, prepare } from "./prepare.ts";
import { main, run } from "./run.ts";
import { installPackages, missingPackages, testRequirements } from "./setup/debian.ts";
import { ProgressDisplay } from "./setup/index.ts";
import { ensurePython } from "./setup/python.ts";
import { ensureRuntimes } from "./setup/runtimes.ts";
import { ensureRust } from "./setup/rust.ts";

/** `npm test`: the set-up, the gate, the native programs' tests, and every test with real machines. */
await main(async () => {
  const signal = interruptible();
  const { home, rust, python, runtimes } = await setUp(signal);
  const before = leftovers();
  await check();
  await run(
    "the native programs' tests",
    [rust.cargo, "test", "--release", "--locked", "--quiet"],
    {
      cwd: "native",
      env: { ...process.env, ...rust.env },
    },
  );
  await run(
    "the tests with machines",
    [
      process.execPath,
      ...["--disable-warning=ExperimentalWarning", "--test", "--test-concurrency=1"],
      ...["--test-reporter=spec", "--test-timeout=1200000"],
      ...globSync("test/**/*.machine.test.ts").toSorted(),
    ],
    {
      env: {
        ...{ ...process.env, SKERRY_HOME: home, SKERRY_PYTHON: python },
        ...{ SKERRY_NODE_22: runtimes.node22, SKERRY_DENO: runtimes.deno },
      },
    },
  );
  const left = leftovers().filter((thing) => !before.includes(thing));
  if (left.length > 0) throw new Error(`the tests left behind:\n${left.join("\n")}`);
});

async function setUp(signal: AbortSignal) {
  using display = new ProgressDisplay({ stream: process.stdout });
  const { home } = await prepare(display, signal);
  const missing = await missingPackages(testRequirements);
  const install = { step: "Debian packages of the tests", progress: display.report, signal };
  await installPackages(missing, install);
  if (missing.length > 0) display.report({ step: install.step, done: true });
  const directory = join(home, "build", "rust");
  const rust = await ensureRust({ directory, minimum: [1, 74], progress: display.report, signal });
  const python = await ensurePython(home, display.report, signal);
  const runtimes = await ensureRuntimes(home, display.report, signal);
  return { home, rust, python, runtimes };
}
