import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";

const index = new URL("./index.ts", import.meta.url).href;
const directory = mkdtempSync(join(tmpdir(), "skerry-service-"));
after(() => rmSync(directory, { recursive: true }));

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a service in a process, and sends it a signal each time that it says something. */
async function run(
  start: string,
  signals: readonly NodeJS.Signals[] = [],
  args: readonly string[] = [],
): Promise<Ran> {
  const program = join(directory, "service.ts");
  writeFileSync(
    program,
    `import { ConfigError, openLog, runService } from "${index}";
    await runService({
      name: "example",
      usage: "usage: example\\n",
      readConfig: ([word]) => {
        if (word === "wrong") throw new ConfigError(["one", "two"]);
        return word === "--help" ? null : { word };
      },
      openLog: () => openLog("fatal", null),
      start: async (config, log, signal) => { ${start} },
      remedies: { EXAMPLE: "do this" },
    });`,
  );
  const child = spawn(process.execPath, [
    "--disable-warning=ExperimentalWarning",
    program,
    ...args,
  ]);
  let [out, err] = ["", ""];
  let sent = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
    const signal = signals[sent++];
    if (signal !== undefined) child.kill(signal);
  });
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out, err };
}

const stays = "setInterval(() => {}, 1_000_000); process.stdout.write('started;');";

suite("a service", () => {
  test("ends in order when it is told to stop", async () => {
    const ran = await run(
      `${stays} return { async [Symbol.asyncDispose]() { process.stdout.write("closed"); } };`,
      ["SIGTERM"],
    );
    assert.deepEqual(ran, { code: 0, out: "started;closed", err: "" });
  });

  test("ends in order when it is told to stop while it starts", async () => {
    const ran = await run(
      `${stays} return await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));`,
      ["SIGINT"],
    );
    assert.deepEqual(ran, { code: 0, out: "started;", err: "" });
  });

  test("ends at once when it is told twice", async () => {
    const ran = await run(
      `${stays} return { async [Symbol.asyncDispose]() { process.stdout.write("closing;"); await new Promise(() => {}); } };`,
      ["SIGTERM", "SIGTERM"],
    );
    assert.deepEqual(ran, { code: 130, out: "started;closing;", err: "" });
  });

  test("fails when it cannot end in order", async () => {
    const ran = await run(
      `${stays} return { async [Symbol.asyncDispose]() { throw new Error("not closed"); } };`,
      ["SIGTERM"],
    );
    assert.deepEqual(ran, { code: 1, out: "started;", err: "skerry: not closed\n" });
  });

  test("says why it could not start, and what to do", async () => {
    const ran = await run(
      `throw new Error("outer", { cause: Object.assign(new Error("inner"), { code: "EXAMPLE" }) });`,
    );
    assert.deepEqual(ran, { code: 1, out: "", err: "skerry: outer: inner; do this\n" });
  });

  test("fails by an error that nobody caught", async () => {
    const ran = await run(
      `${stays} setImmediate(() => { throw new Error("x"); }); return await new Promise(() => {});`,
    );
    assert.equal(ran.code, 1);
    assert.match(ran.err, /"msg":"example failed"/);
  });

  test("says everything that is wrong with its configuration, and how it is used", async () => {
    const wrong = await run("throw new Error()", [], ["wrong"]);
    assert.deepEqual(wrong, { code: 2, out: "", err: "skerry: one\nskerry: two\n" });
    const help = await run("throw new Error()", [], ["--help"]);
    assert.deepEqual(help, { code: 0, out: "usage: example\n", err: "" });
  });
});
