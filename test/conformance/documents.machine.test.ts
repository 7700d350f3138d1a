import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { fileURLToPath } from "node:url";

import { startServer, type TestServer } from "../support/server.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Blocks of a page that only a person can run: they set this host up, or do not end. What stands in `text` is
 * not run from here: files, and lines with words for the reader to replace.
 */
const notHere = /^npm start|^skerry serve/m;
/** What a fragment of a page has before it. */
const prelude = `import { Sandbox } from "@skerry/sdk";\nawait using sandbox = await Sandbox.create();\n`;

interface Block {
  readonly language: string;
  readonly code: string;
  readonly line: number;
}

function blocksOf(page: string): Block[] {
  const text = readFileSync(join(root, page), "utf8");
  return [...text.matchAll(/^```(\w+)\n([^]*?)^```/gm)].flatMap(
    ([, language = "", code = ""], i, all) => {
      const line = text.slice(0, all[i]?.index).split("\n").length;
      return language === "text" || notHere.test(code) ? [] : [{ language, code, line }];
    },
  );
}

let server: TestServer;
let project: string;

/** A project of a new user, with what the pages speak of. */
before(async () => {
  server = await startServer({ pool: 1 });
  project = mkdtempSync(join(tmpdir(), "skerry-documents-"));
  symlinkSync(join(root, "node_modules"), join(project, "node_modules"));
  writeFileSync(join(project, "package.json"), '{"type":"module"}');
  mkdirSync(join(project, "my-project", "dist"), { recursive: true });
  writeFileSync(join(project, "my-project", "dist", "out.js"), "done");
});
after(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(project, { recursive: true });
});

async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { url, token, home, ingress } = server;
  const env = {
    ...process.env,
    ...{ SKERRY_HOME: home, DENO_SANDBOX_ENDPOINT: url, DENO_DEPLOY_TOKEN: token },
    NODE_EXTRA_CA_CERTS: ingress.caFile ?? "",
  };
  const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  assert.equal(code, 0, printed);
  return printed;
}

/** How each kind of block is run, as the page tells its reader to. */
const runners: Readonly<Record<string, (code: string) => Promise<string>>> = {
  ts: async (code) => {
    const program = join(project, "program.ts");
    writeFileSync(program, code.includes("import ") ? code : prelude + code);
    return await run(process.execPath, [program], project);
  },
  py: async (code) => {
    const python = process.env["SKERRY_PYTHON"];
    assert.ok(python !== undefined, "SKERRY_PYTHON is not set: run the tests with npm test");
    return await run(python, ["-c", code], project);
  },
  sh: async (code) => await run("bash", ["-euc", code], root),
};

suite("what the pages show", { timeout: 1_100_000 }, () => {
  const guides = [
    "first-steps",
    "command-line",
    "network",
    "secrets",
    "expose",
    "ssh",
    "users",
    "vscode",
  ].map((name) => `docs/guide/${name}.md`);
  for (const page of ["README.md", ...guides]) {
    for (const { language, code, line } of blocksOf(page)) {
      test(`${page}, line ${line}, runs as it is printed`, async () => {
        const runner = runners[language];
        assert.ok(runner !== undefined, `a block in ${language} cannot be run`);
        await runner(code);
      });
    }
  }

  test("README: the program says the same with the official client and with ours", async () => {
    const [block] = blocksOf("README.md");
    const code = block?.code ?? "";
    const expected = /^Hello from \S+\n\nLinux [^\n]+\n2\nsandbox\n/;
    assert.match((await runners["ts"]?.(code)) ?? "", expected);
    const ours = code.replace('"@deno/sandbox"', '"@skerry/sdk"');
    assert.match((await runners["ts"]?.(ours)) ?? "", expected);
  });
});
