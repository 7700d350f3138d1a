import { availableParallelism } from "node:os";

import { bin, main, run } from "./run.ts";

/** The gate that needs no machine: format, lint, types and unit tests, in under two minutes. */
export async function check(): Promise<void> {
  await run("the format check (npm run fix mends it)", [bin("oxfmt"), "--check"]);
  await run("the lint", [bin("oxlint"), "--type-aware", "--deny-warnings"]);
  await run("the type check", [bin("tsc")]);
  await run("the unit tests", [
    process.execPath,
    "--disable-warning=ExperimentalWarning",
    "--test",
    // Node leaves a processor out, which of two is half.
    ...[
      "--test-reporter=dot",
      "--test-timeout=60000",
      `--test-concurrency=${availableParallelism()}`,
    ],
    "packages/*/src/**/*.test.ts",
    "tools/**/*.test.ts",
    "test/*.test.ts",
    "test/contract/fake-*.test.ts",
  ]);
}

if (import.meta.main) await main(check);
