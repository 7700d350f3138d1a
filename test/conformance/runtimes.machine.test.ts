import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { fileURLToPath } from "node:url";

import { bundleSdk } from "../../tools/bundle.ts";
import { startServer, type TestServer } from "../support/server.ts";

const modules = fileURLToPath(new URL("../../node_modules/", import.meta.url));

let server: TestServer;
let project: string;

/** A user's project that has installed the package that `npm run build` makes. */
before(async () => {
  server = await startServer();
  project = mkdtempSync(join(tmpdir(), "skerry-project-"));
  mkdirSync(join(project, "node_modules", "@skerry"), { recursive: true });
  await bundleSdk(join(project, "node_modules", "@skerry", "sdk"));
  for (const name of ["ws", "zod"]) {
    symlinkSync(join(modules, name), join(project, "node_modules", name));
  }
  mkdirSync(join(project, "tree"));
  writeFileSync(join(project, "tree", "file"), "from here");
  writeFileSync(join(project, "package.json"), '{"type":"module"}');
  writeFileSync(join(project, "main.mjs"), program);
});
after(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(project, { recursive: true });
});

/** What a runtime has to be able to do: sockets, streams both ways, files, values, errors. */
const program = `
import { createHash } from "node:crypto";
import { Sandbox } from "@skerry/sdk";
const hash = (bytes) => createHash("sha256").update(bytes).digest("hex");
const sandbox = await Sandbox.create({ lifetime: "2m" });
const content = new Uint8Array(3_000_000).map((_, i) => (i * 7) % 251);
await sandbox.fs.writeFile("f", new Blob([content]).stream());
const cat = await sandbox.spawn("cat", { args: ["f", "-"], stdin: "piped", stdout: "piped", stderr: "null" });
const output = cat.output();
const writer = cat.stdin.getWriter();
await writer.write(content);
await writer.close();
const { stdout, status } = await output;
await sandbox.upload("tree", ".");
await sandbox.download("tree", "back");
const error = await sandbox.fs.stat("nothing").catch((reason) => reason);
console.log(JSON.stringify({
  isBinary: hash(stdout) === hash(Buffer.concat([content, content])),
  code: status.code,
  shell: await sandbox.sh\`cat tree/file\`.text(),
  map: [...await sandbox.deno.eval("new Map([['a', 1n]])")].map(String),
  error: [error.constructor.name, error.name, error.code],
}));
await sandbox.kill();
`;

interface Output {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(command: string, args: readonly string[]): Promise<Output> {
  const { url, token } = server;
  const env = {
    ...{ PATH: process.env["PATH"], HOME: project },
    ...{ SKERRY_ENDPOINT: url, SKERRY_TOKEN: token },
  };
  const child = spawn(command, args, { cwd: project, env, timeout: 400_000 });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stdout, stderr };
}

suite("the package of the client", { timeout: 240_000 }, () => {
  for (const [name, variable, args] of [
    ["Node 22", "SKERRY_NODE_22", ["main.mjs"]],
    ["Deno", "SKERRY_DENO", ["run", "--allow-all", "--no-prompt", "main.mjs"]],
  ] as const) {
    test(`works on ${name}`, async () => {
      const runtime = process.env[variable];
      assert.ok(runtime !== undefined, `${variable} is not set: run the tests with npm test`);
      const { code, stdout, stderr } = await run(runtime, args);
      assert.equal(code, 0, stderr);
      assert.deepEqual(JSON.parse(stdout), {
        ...{ isBinary: true, code: 0, shell: "from here", map: ["a,1"] },
        error: ["OperationError", "NotFound", "ENOENT"],
      });
      rmSync(join(project, "back"), { recursive: true });
    });
  }
});
