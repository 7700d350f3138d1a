import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";

import { Sandbox } from "@deno/sandbox";

import { collect, useServer } from "../support/official.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let sandbox: Sandbox;

before(async () => {
  server = await startServer();
  useServer(server);
  sandbox = await Sandbox.create({ env: { GREETING: "hello" } });
});
after(async () => {
  await sandbox.close();
  await server[Symbol.asyncDispose]();
});

const quiet = { stdout: "piped", stderr: "piped" } as const;

/** What a program prints, once it has ended well. */
async function printed(options: Parameters<typeof sandbox.deno.run>[0]): Promise<string> {
  const child = await sandbox.deno.run({ ...options, ...quiet });
  const { status, stdoutText, stderrText } = await child.output();
  assert.ok(status.success, stderrText ?? "");
  return stdoutText ?? "";
}

suite("deno.run", { timeout: 400_000 }, () => {
  test("runs a file with arguments, environment and directory", async () => {
    await sandbox.fs.mkdir("app");
    await sandbox.fs.writeTextFile(
      "app/main.ts",
      "console.log(Deno.args.join(), Deno.env.get('GREETING'), Deno.env.get('MORE'), Deno.cwd());",
    );
    const options = { scriptArgs: ["a b", "--flag"], env: { MORE: "more" }, cwd: "app" };
    const text = await printed({ entrypoint: "main.ts", ...options });
    assert.equal(text, "a b,--flag hello more /home/sandbox/app\n");
  });

  test("runs code as if it were a file of the directory, and leaves no file there", async () => {
    await sandbox.fs.writeTextFile("app/lib.ts", "export const answer: number = 42;");
    const code = "import { answer } from './lib.ts'; console.log(answer, import.meta.main);";
    assert.equal(await printed({ code, cwd: "app" }), "42 true\n");
    const names: string[] = [];
    for await (const { name } of sandbox.fs.readDir("app")) names.push(name);
    assert.deepEqual(names.toSorted(), ["lib.ts", "main.ts"]);
  });

  test("runs code of every kind, also where it cannot write", async () => {
    assert.equal(
      await printed({ code: "console.log(typeof require)", extension: "cjs" }),
      "function\n",
    );
    assert.equal(
      await printed({ code: "const e = <T,>(x: T) => x; console.log(e(1))", extension: "tsx" }),
      "1\n",
    );
    assert.equal(
      await printed({ code: "console.log('mjs')", extension: "mjs", cwd: "/etc" }),
      "mjs\n",
    );
  });

  test("tells how it ended, and passes its input on", async () => {
    const failing = await sandbox.deno.run({ code: "Deno.exit(3)", ...quiet });
    assert.equal((await failing.status).code, 3);
    const code = "for await (const chunk of Deno.stdin.readable) await Deno.stdout.write(chunk);";
    const child = await sandbox.deno.run({ code, ...quiet, stdin: "piped" });
    const writer = child.stdin!.getWriter();
    await writer.write(new TextEncoder().encode("through"));
    await writer.close();
    assert.equal((await collect(child.stdout!)).toString(), "through");
  });

  test("a program that takes all memory is told to have run out of it", async () => {
    const code = "const all = []; for (;;) all.push(new Uint8Array(50_000_000).fill(1));";
    const child = await sandbox.deno.run({ code, ...quiet });
    const status = await child.status;
    assert.equal(status.success, false);
    assert.equal((status as { readonly oom?: boolean }).oom, true);
  });
});

suite("HTTP servers", { timeout: 400_000 }, () => {
  test("a program that ends without one is not ready", async () => {
    const child = await sandbox.deno.run({ code: "console.log('done')", ...quiet });
    assert.equal(await child.httpReady, false);
  });

  test("Deno.serve and node:http are found, whatever their port", async () => {
    const servers = {
      deno: "Deno.serve({ port: 4001, onListen() {} }, async (request) => Response.json({ url: request.url, method: request.method, body: await request.text() }))",
      node: "import http from 'node:http'; http.createServer((request, response) => response.end(JSON.stringify({ url: request.headers.host, method: request.method, body: '' }))).listen(4002)",
    };
    for (const [name, code] of Object.entries(servers)) {
      await using child = await sandbox.deno.run({ code, ...quiet });
      assert.equal(await child.httpReady, true, name);
      const answer = await child.fetch("http://example.com/path?q=1");
      const seen = (await answer.json()) as { readonly url: string; readonly method: string };
      assert.match(seen.url, /example\.com/, name);
      assert.equal(seen.method, "GET", name);
      await child.kill();
      await child.status;
    }
  });

  test("a program may have several, and children of its own that serve", async () => {
    const code = `
      import http from "node:http";
      Deno.serve({ port: 4011, onListen() {} }, () => new Response("first"));
      Deno.serve({ port: 4012, onListen() {} }, () => new Response("second"));
      http.createServer((_, response) => response.end("third")).listen(4013);
      const child = ["eval", "Deno.serve({ port: 4014, onListen() {} }, () => new Response('child'))"];
      new Deno.Command("deno", { args: child }).spawn();
    `;
    await using child = await sandbox.deno.run({ code, ...quiet });
    assert.equal(await child.httpReady, true);
    assert.equal(await (await child.fetch("http://any/")).text(), "first");
    assert.equal(await (await sandbox.fetch("http://localhost:4013/")).text(), "third");
    const from = `until curl -sf http://localhost:4014/; do sleep 0.1; done`;
    assert.equal(await sandbox.sh`bash -c ${from}`.text(), "child");
    await child.kill();
  });

  test("bodies are streamed both ways", async () => {
    const code =
      "Deno.serve({ port: 4021, onListen() {} }, (request) => new Response(request.body, { status: 201, headers: { 'x-seen': request.headers.get('x-sent') } }));";
    await using child = await sandbox.deno.run({ code, ...quiet });
    await child.httpReady;
    // Its client makes the Request without `duplex`, so a body that is a stream is not possible with it.
    const body = new Uint8Array(2_000_000).map((_, at) => Math.floor(at / 50_000));
    const init = { method: "POST", body, headers: { "x-sent": "yes" } };
    const answer = await child.fetch("http://any/echo", init);
    assert.deepEqual([answer.status, answer.headers.get("x-seen")], [201, "yes"]);
    const echoed = Buffer.from(await answer.arrayBuffer());
    assert.equal(echoed.length, 2_000_000);
    assert.deepEqual([echoed[0], echoed.at(-1)], [0, 39]);
    await child.kill();
  });

  test("a server that is gone is an error that says so", async () => {
    const child = await sandbox.deno.run({ code: "Deno.exit()", ...quiet });
    await child.status;
    await assert.rejects(child.fetch("http://any/"), TypeError);
  });
});

suite("watch", { timeout: 400_000 }, () => {
  test("a changed file starts the program again, and the client hears of it", async () => {
    await sandbox.fs.writeTextFile(
      "watched.ts",
      "Deno.serve({ port: 4031, onListen() {} }, () => new Response('one'));",
    );
    await using child = await sandbox.deno.run({
      entrypoint: "watched.ts",
      watch: true,
      ...quiet,
      stderr: "null",
    });
    assert.equal(await child.httpReady, true);
    assert.equal(await (await child.fetch("http://any/")).text(), "one");
    const restarted = new Promise((resolve) => child.addEventListener("restart", resolve));
    await sandbox.fs.writeTextFile(
      "watched.ts",
      "Deno.serve({ port: 4031, onListen() {} }, () => new Response('two'));",
    );
    await restarted;
    const answer = async (): Promise<string> => {
      try {
        return await (await child.fetch("http://any/")).text();
      } catch {
        return ""; // between the old server and the new one
      }
    };
    while ((await answer()) !== "two");
    await sandbox.fs.remove("watched.ts");
    assert.equal(await sandbox.sh`echo ${"others go on"}`.text(), "others go on\n");
    await child.kill();
    await child.status;
  });
});
