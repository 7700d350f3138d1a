import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { fileURLToPath } from "node:url";

import { bundleSdk } from "./bundle.ts";

const modules = fileURLToPath(new URL("../node_modules", import.meta.url));
let directory: string;

/** A user's project with the package in it. */
before(async () => {
  directory = mkdtempSync(join(tmpdir(), "skerry-bundle-"));
  await bundleSdk(join(directory, "sdk"));
  symlinkSync(modules, join(directory, "node_modules"));
  writeFileSync(join(directory, "package.json"), '{"type":"module"}');
});
after(() => rmSync(directory, { recursive: true }));

suite("npm run build", { timeout: 60_000 }, () => {
  test("makes one module, which has everything that the client exports", async () => {
    const code = `
      import * as sdk from "./sdk/index.js";
      console.log(JSON.stringify(Object.keys(sdk)));
      try { new sdk.Client({}); } catch (error) { console.log(error.code); }
    `;
    writeFileSync(join(directory, "use.mjs"), code);
    const env = { PATH: process.env["PATH"] };
    const printed = execFileSync(process.execPath, ["use.mjs"], {
      cwd: directory,
      env,
      encoding: "utf8",
    });
    const [names, code2] = printed.trim().split("\n");
    assert.deepEqual(JSON.parse(names ?? ""), Object.keys(await import("@skerry/sdk")).toSorted());
    assert.equal(code2, "MISSING_ENDPOINT");
    const files = readdirSync(join(directory, "sdk"));
    assert.deepEqual(files.toSorted(), ["index.js", "package.json", "types"]);
  });

  test("has types that a strict program compiles with, and that refuse a wrong one", () => {
    const compile = (code: string): string => {
      writeFileSync(
        join(directory, "use.ts"),
        `import { Sandbox } from "./sdk/types/sdk/src/index.js";\n${code}`,
      );
      const options = [
        "--ignoreConfig",
        "--noEmit",
        "--strict",
        "--module",
        "nodenext",
        "--target",
        "esnext",
      ];
      const types = ["--lib", "esnext", "--types", "node", "--skipLibCheck", "false"];
      const args = ["use.ts", ...options, ...types];
      return spawnSync(join(modules, ".bin/tsc"), args, { cwd: directory, encoding: "utf8" })
        .stdout;
    };
    const good = `
      const sandbox = await Sandbox.create({ lifetime: "5m", memoryMb: 2048 });
      const text: string = await sandbox.sh\`echo \${1}\`.text();
      const map = await sandbox.deno.eval<Map<string, number>>("new Map()");
      for await (const { path } of sandbox.fs.walk(".")) console.log(path, map.get(text));
      await sandbox.upload(".", "/app", { onProgress: ({ files }) => console.log(files) });
    `;
    assert.equal(compile(good), "");
    assert.match(compile("await Sandbox.create({ lifetime: 5 });"), /error TS/);
  });
});
