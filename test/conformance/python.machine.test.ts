import assert from "node:assert/strict";
import { spawnSync, spawn } from "node:child_process";
import { after, before, suite, test } from "node:test";

import { startServer, type TestServer } from "../support/server.ts";

/** The set-up of `npm test` has installed the official Python client there. */
const python = process.env["SKERRY_PYTHON"];
const cases = "test/conformance/python/cases.py";

interface Result {
  readonly name: string;
  readonly error: string | null;
}

let server: TestServer;
const results = new Map<string, string | null>();
let said = "";

before(async () => {
  server = await startServer();
  await run();
});
after(() => server[Symbol.asyncDispose]());

suite("the official Python client", { timeout: 400_000 }, () => {
  for (const name of namesOf()) {
    test(name.replaceAll("_", " "), () => {
      assert.ok(results.has(name), `it was not run:\n${said}`);
      assert.equal(results.get(name), null);
    });
  }
});

function namesOf(): readonly string[] {
  if (python === undefined)
    throw new Error("run the tests through npm test, which does the set-up");
  const env = { ...process.env, DENO_DEPLOY_TOKEN: "none" };
  const { stdout, stderr } = spawnSync(python, [cases, "--list"], { encoding: "utf8", env });
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as string[];
}

/** Runs all cases, in the two sandboxes that they share. */
async function run(): Promise<void> {
  const child = spawn(python ?? "", [cases], {
    env: {
      ...process.env,
      DENO_DEPLOY_ENDPOINT: server.url,
      DENO_SANDBOX_ENDPOINT: server.url,
      DENO_DEPLOY_TOKEN: server.token,
      SSL_CERT_FILE: server.ingress.bundleFile ?? "",
    },
  });
  let printed = "";
  child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await new Promise((resolve) => child.once("close", resolve));
  for (const line of printed.split("\n").filter((text) => text.startsWith('{"name"'))) {
    const { name, error } = JSON.parse(line) as Result;
    results.set(name, error);
  }
}
