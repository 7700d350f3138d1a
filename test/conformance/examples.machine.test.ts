import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { after, before, suite, test } from "node:test";

import * as official from "@deno/sandbox";
import * as ours from "@skerry/sdk";

import { useServer } from "../support/official.ts";
import { startServer, type TestServer } from "../support/server.ts";

/**
 * The examples of the documents, as they are printed, with assertions around them: each runs with the
 * unmodified official client and with ours. Examples that only print share a sandbox.
 */
type Api = typeof official;

const clients: Readonly<Record<string, Api>> = {
  "@deno/sandbox": official,
  // What the examples use of it is the same; that it is, is what this shows.
  "@skerry/sdk": ours as unknown as Api,
};

let server: TestServer;
let directory: string;

before(async () => {
  server = await startServer({ pool: 2 });
  useServer(server);
  directory = fs.mkdtempSync(join(tmpdir(), "skerry-examples-"));
});
after(async () => {
  await server[Symbol.asyncDispose]();
  fs.rmSync(directory, { recursive: true });
});

for (const [name, api] of Object.entries(clients)) {
  const { KillController, Sandbox, SandboxCommandError } = api;

  suite(`the examples, with ${name}`, { timeout: 400_000 }, () => {
    let sandbox: official.Sandbox;
    before(async () => {
      sandbox = await Sandbox.create();
    });
    after(() => sandbox.close());

    test("create, and run a command", async () => {
      await using sandbox = await Sandbox.create();
      await sandbox.sh`ls -lh /`;
    });

    test("evaluate JavaScript", async () => {
      const result = await sandbox.deno.eval(`
        const a = 1;
        const b = 2;
        a + b;
      `);
      assert.equal(result, 3);
    });

    test("run a command and collect its output", async () => {
      const text = await sandbox.sh`pwd`.text();
      assert.equal(text, "/home/sandbox\n");
    });

    test("write a program, and run it as a server", async () => {
      await sandbox.fs.writeTextFile("package.json", JSON.stringify({ type: "module" }, null, 2));
      await sandbox.fs.writeTextFile(
        "server.js",
        `import http from "node:http";
         http.createServer((request, response) => {
           response.setHeader("content-type", "application/json");
           response.end(JSON.stringify({ path: request.url, time: new Date().toISOString() }));
         }).listen(3000, () => console.log("listening on 3000"));`,
      );
      const server = await sandbox.deno.run({ entrypoint: "server.js", stdout: "piped" });
      assert.equal(await server.httpReady, true);
      const resp = await sandbox.fetch("http://localhost:3000/time");
      assert.equal(((await resp.json()) as { readonly path: string }).path, "/time");
      await server.kill();
      await sandbox.fs.remove("package.json");
    });

    test("keep state between evaluations", async () => {
      const repl = await sandbox.deno.repl();
      await repl.eval("const x = 42;");
      await repl.eval("const y = 8;");
      const result = await repl.eval("x + y");
      assert.equal(result, 50);
      await repl.close();
    });

    test("template literals escape what is put into them", async () => {
      const filename = "file with spaces.txt";
      const content = "Hello, world!";
      await sandbox.sh`echo ${content} > ${filename}`;
      assert.equal(await sandbox.fs.readTextFile(filename), "Hello, world!\n");
      const files = ["file1.txt", "file2.txt", "file3.txt"];
      await sandbox.sh`touch ${files}`;
      await sandbox.sh`rm ${files}`;
      const data = await sandbox.sh`echo '{"count": 42}'`.json<{ count: number }>();
      assert.equal(data.count, 42);
    });

    test("commands that fail throw, unless told not to", async () => {
      await assert.rejects(async () => await sandbox.sh`exit 1`);
      const result = await sandbox.sh`exit 1`.noThrow();
      assert.equal(result.status.code, 1);
      assert.equal(result.status.success, false);
    });

    test("a command is cancelled with a KillController", async () => {
      const controller = new KillController();
      const cmd = sandbox.sh`sleep 30`.signal(controller.signal);
      // The official builder forgets all modifiers but the last, so that `.text()` would lose the signal with it.
      const promise = name === "@deno/sandbox" ? cmd : cmd.text();
      setTimeout(() => controller.kill(), 200);
      await assert.rejects(async () => await promise);
    });

    test("output as text and as bytes", async () => {
      await sandbox.fs.writeFile("binary-file.png", new Uint8Array([137, 80, 78, 71]));
      const result = await sandbox.sh`cat binary-file.png`.stdout("piped");
      assert.equal(result.stdout!.length, 4);
      assert.ok(result.stdoutText!.endsWith("PNG"));
      fs.writeFileSync(join(directory, "output.png"), result.stdout!);
    });

    test("the error of a command that fails tells its exit code", async () => {
      try {
        await sandbox.sh`exit 42`;
        assert.fail("it did not throw");
      } catch (error) {
        assert.ok(error instanceof SandboxCommandError);
        assert.equal(error.code, 42);
        assert.match(error.message, /exit code 42/);
      }
    });

    test("environment variables", async () => {
      await sandbox.env.set("API_KEY", "secret-key-123");
      await sandbox.env.set("NODE_ENV", "production");
      const apiKey = await sandbox.sh`echo $API_KEY`.text();
      assert.equal(apiKey.trim(), "secret-key-123");
    });

    test("stream a large output to a local file", async () => {
      await sandbox.fs.writeTextFile("big.txt", "#".repeat(5_000_000));
      const child = await sandbox.spawn("cat", { args: ["big.txt"], stdout: "piped" });
      const local = join(directory, "big-local-copy.txt");
      await child.stdout!.pipeTo(Writable.toWeb(fs.createWriteStream(local)));
      const status = await child.status;
      assert.ok(status.success);
      assert.equal(fs.statSync(local).size, 5_000_000);
    });

    test("upload files and directories, and download them again", async () => {
      fs.mkdirSync(join(directory, "my-project/src"), { recursive: true });
      fs.writeFileSync(join(directory, "my-project/README.md"), "# Mine\n");
      fs.writeFileSync(join(directory, "my-project/src/main.ts"), "console.log(1);\n");
      await sandbox.fs.upload(join(directory, "my-project/README.md"), "./readme-copy.md");
      assert.equal(await sandbox.fs.readTextFile("readme-copy.md"), "# Mine\n");
      await sandbox.fs.upload(join(directory, "my-project"), ".");
      assert.equal(await sandbox.fs.readTextFile("my-project/src/main.ts"), "console.log(1);\n");
      const back = fs.mkdtempSync(join(directory, "back-"));
      await sandbox.fs.download("my-project", back);
      const copied = fs.readFileSync(join(back, "my-project/src/main.ts"), "utf8");
      assert.equal(copied, "console.log(1);\n");
      await sandbox.fs.remove("my-project", { recursive: true });
    });

    test("a session ends with its client", async () => {
      const session = await Sandbox.create({ timeout: "session" });
      await session.close();
      await assert.rejects(Sandbox.connect(session.id));
    });

    test("a duration outlives it, and is ended by force", async () => {
      const sandbox = await Sandbox.create({ timeout: "5m" });
      const id = sandbox.id;
      await sandbox.close();
      const reconnected = await Sandbox.connect(id);
      await reconnected.sh`echo 'Still alive!'`;
      await reconnected.kill();
      await assert.rejects(Sandbox.connect({ id }));
    });

    test("memory, labels, region and variables of a new sandbox", async () => {
      await using sandbox = await Sandbox.create({
        region: "ams",
        memory: "1GiB",
        labels: { project: "examples" },
        env: { NODE_ENV: "development", FEATURE_FLAG: "agents" },
      });
      // The official client puts the region into the server's name, which DENO_SANDBOX_ENDPOINT replaces.
      if (name !== "@deno/sandbox") assert.match(sandbox.id, /^sbx_ams_/);
      const memInfo = await sandbox.deno.eval<{ total: number }>("Deno.systemMemoryInfo()");
      assert.ok(memInfo.total > 800_000_000 && memInfo.total <= 1_073_741_824);
      assert.equal(await sandbox.sh`echo $FEATURE_FLAG`.text(), "agents\n");
    });

    test("restrict what a sandbox may reach", async () => {
      await using sandbox = await Sandbox.create({ allowNet: ["example.com", "*.example.net"] });
      // The documents' other host; names are all that this can show without the internet.
      const command = "getent hosts api.openai.com || echo refused";
      assert.equal(await sandbox.sh`bash -c ${command}`.text(), "refused\n");
    });

    test("what is not there yet says so", async () => {
      const later: Readonly<Record<string, () => Promise<unknown>>> = {
        volumes: () => Sandbox.create({ volumes: { "/data": "mine" } }),
        deploy: () => sandbox.deno.deploy("my-deno-app"),
      };
      for (const [what, call] of Object.entries(later)) {
        await assert.rejects(call, /not implemented|does not have|NOT_IMPLEMENTED/i, what);
      }
    });
  });
}
