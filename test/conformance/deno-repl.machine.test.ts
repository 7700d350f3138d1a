import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";

import { Sandbox } from "@deno/sandbox";

import { useServer } from "../support/official.ts";
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

suite("deno.eval", { timeout: 400_000 }, () => {
  test("gives the value of the last statement", async () => {
    assert.equal(await sandbox.deno.eval("1 + 1"), 2);
    assert.equal(await sandbox.deno.eval("const text: string = 'typed'; text"), "typed");
    assert.equal(await sandbox.deno.eval("await Promise.resolve('waited')"), "waited");
    assert.deepEqual(await sandbox.deno.eval("({ a: [1, null, 'b'] })"), { a: [1, null, "b"] });
  });

  test("sees the sandbox's own environment, files and directory", async () => {
    await sandbox.fs.writeTextFile("lib.ts", "export const answer: number = 42;");
    assert.equal(await sandbox.deno.eval("Deno.env.get('GREETING')"), "hello");
    assert.equal(await sandbox.deno.eval("Deno.cwd()"), "/home/sandbox");
    assert.equal(await sandbox.deno.eval("(await import('./lib.ts')).answer"), 42);
    assert.equal(await sandbox.deno.eval("Deno.env.get('DENO_SERVE_ADDRESS') ?? 'none'"), "none");
  });

  test("a project's package.json is one for it", async () => {
    await sandbox.fs.mkdir("node_modules/greeter", { recursive: true });
    await sandbox.fs.writeTextFile("package.json", '{"dependencies":{"greeter":"*"}}');
    const manifest = '{"name":"greeter","version":"1.0.0","type":"module","exports":"./index.js"}';
    await sandbox.fs.writeTextFile("node_modules/greeter/package.json", manifest);
    await sandbox.fs.writeTextFile("node_modules/greeter/index.js", "export default 'hi';");
    assert.equal(await sandbox.deno.eval("import hi from 'greeter'; hi"), "hi");
    await sandbox.fs.remove("package.json");
    await sandbox.fs.remove("node_modules", { recursive: true });
  });

  test("throws what the code throws", async () => {
    const thrown = sandbox.deno.eval("throw new TypeError('no', { cause: new Error('why') })");
    await assert.rejects(thrown, (error: TypeError) => {
      assert.ok(error instanceof TypeError);
      assert.equal(error.message, "no");
      assert.match(String(error.stack), /TypeError: no/);
      assert.equal((error.cause as { readonly message?: string } | undefined)?.message, "why");
      return true;
    });
    await assert.rejects(sandbox.deno.eval("this is no code"), { name: "SyntaxError" });
  });
});

suite("deno.repl", { timeout: 400_000 }, () => {
  test("keeps its state", async () => {
    await using repl = await sandbox.deno.repl(quiet);
    await repl.eval("const x = 42;");
    await repl.eval("let y = 8; function add(a, b) { return a + b; }");
    assert.equal(await repl.eval("x + y"), 50);
    await repl.eval("const x = 1; import { basename } from 'node:path';");
    assert.equal(await repl.eval("basename('/a/b') + x"), "b1");
    assert.equal(await repl.eval("_"), "b1", "the last value is what it was");
    assert.equal(await repl.call("add", 1, 2), 3);
    assert.equal(await repl.call("async (a, b) => a * b", 6, 7), 42);
    assert.equal(
      await repl.call("function (text) { return text.length; }", 'it\'s "quoted"\n'),
      14,
    );
  });

  test("tells values as JSON can", async () => {
    await using repl = await sandbox.deno.repl(quiet);
    const cases: readonly (readonly [code: string, expected: unknown])[] = [
      ["new Map([['a', 1]])", { a: 1 }],
      ["new Map([[{ k: 1 }, new Set([1, 2])]])", [[{ k: 1 }, [1, 2]]]],
      ["new Date(0)", "1970-01-01T00:00:00.000Z"],
      ["12345678901234567890n", "12345678901234567890"],
      ["new Uint8Array([1, 2, 255])", [1, 2, 255]],
      ["undefined", null],
      ["[undefined, NaN]", [null, null]],
      ["const cycle = { n: 1 }; cycle.self = cycle; cycle", { n: 1, self: "[Circular]" }],
      ["(class Point { constructor() { this.x = 1; } })", "[Function: Point]"],
      ["new (class Point { constructor() { this.x = 1; } })()", { x: 1 }],
      ["({ get bad() { throw new Error('no'); }, good: 1 })", { good: 1 }],
      [
        "new Proxy({}, { get() { throw 1; }, ownKeys() { throw 2; }, getPrototypeOf() { throw 3; } })",
        {},
      ],
    ];
    for (const [code, expected] of cases) assert.deepEqual(await repl.eval(code), expected, code);
  });

  test("survives whatever is thrown", async () => {
    await using repl = await sandbox.deno.repl(quiet);
    for (const odd of [
      "null",
      "undefined",
      "'text'",
      "42n",
      "Symbol('s')",
      "{ a: 1 }",
      "new Proxy({}, { get() { throw 1; } })",
    ]) {
      await assert.rejects(repl.eval(`throw ${odd}`), odd);
    }
    await assert.rejects(
      repl.eval("const all = new AggregateError([new Error('one')], 'all'); throw all"),
      { message: "all" },
    );
    assert.equal(await repl.eval("'alive'"), "alive");
  });

  test("prints where its output goes, and reads its input", async () => {
    const repl = await sandbox.deno.repl({ ...quiet, stdin: "piped", scriptArgs: ["one", "two"] });
    await repl.eval("console.log('out'); console.error('err');");
    const reading = repl.eval(
      "new TextDecoder().decode((await Deno.stdin.readable.getReader().read()).value)",
    );
    const writer = repl.stdin!.getWriter();
    await writer.write(new TextEncoder().encode("typed"));
    assert.equal(await reading, "typed");
    assert.deepEqual(await repl.eval("Deno.args"), ["one", "two"]);
    await writer.close();
    await repl.close();
    const { stdoutText, stderrText } = await repl.output();
    assert.deepEqual([stdoutText, stderrText], ["out\n", "err\n"]);
  });

  test("has the environment that it was given, and no more", async () => {
    const env = { ONLY: "this" };
    await using repl = await sandbox.deno.repl({ ...quiet, env, clearEnv: true, cwd: "/tmp" });
    assert.deepEqual(await repl.eval("Deno.env.toObject()"), env);
    assert.equal(await repl.eval("Deno.cwd()"), "/tmp");
  });

  test("an exit is the end of it, with its code", async () => {
    const repl = await sandbox.deno.repl(quiet);
    await assert.rejects(repl.eval("Deno.exit(7)"), /exit code 7/);
    assert.equal((await repl.status).code, 7);
    await assert.rejects(repl.eval("1"), { code: "ENOENT" });
    await repl.close();
  });

  test("what never returns can be killed, and others go on meanwhile", async () => {
    const repl = await sandbox.deno.repl(quiet);
    const never = repl.eval("for (;;);");
    never.catch(() => {});
    assert.equal(await sandbox.sh`echo ${"still here"}`.text(), "still here\n");
    await repl.kill("SIGKILL");
    await assert.rejects(never, /SIGKILL/);
    assert.equal((await repl.status).signal, "SIGKILL");
  });

  test("what prints for ever waits for its reader", async () => {
    const repl = await sandbox.deno.repl(quiet);
    const never = repl.eval("for (;;) console.log('x'.repeat(1000));");
    never.catch(() => {});
    const reader = repl.stdout!.getReader();
    assert.ok(((await reader.read()).value?.length ?? 0) > 0);
    await repl.kill("SIGKILL");
    await assert.rejects(never);
    await reader.cancel(new Error("enough"));
  });

  test("a value that is too large is an error, not the end", async () => {
    await using repl = await sandbox.deno.repl(quiet);
    await assert.rejects(repl.eval("'x'.repeat(20_000_000)"), { name: "RangeError" });
    assert.equal(await repl.eval("1"), 1);
  });

  test("serves HTTP", async () => {
    await using repl = await sandbox.deno.repl(quiet);
    await repl.eval("Deno.serve({ port: 18080 }, () => new Response('from the REPL'));");
    assert.equal(await repl.httpReady, true);
    assert.equal(await (await repl.fetch("http://any/")).text(), "from the REPL");
  });
});

suite("randomness", { timeout: 400_000 }, () => {
  const sources = [
    "Math.random()",
    "crypto.randomUUID()",
    "Array.from(crypto.getRandomValues(new Uint8Array(16)))",
    "(await import('node:crypto')).randomBytes(16).toString('hex')",
    "(await import('node:crypto')).randomUUID()",
    "(await import('node:crypto')).randomInt(2 ** 40)",
    "await Deno.makeTempFile()",
  ];

  test("no two sandboxes of a template draw the same, from no source, in no REPL", async () => {
    const code = `[${Array.from({ length: 8 }, () => sources)
      .flat()
      .join(", ")}]`;
    const drawn: unknown[] = [];
    for (let machine = 0; machine < 2; machine += 1) {
      await using one = await Sandbox.create();
      drawn.push(...((await one.deno.eval(code)) as unknown[])); // the REPL of the template
      drawn.push(...((await one.deno.eval(code)) as unknown[])); // one that was started here
    }
    const texts = drawn.map((value) => JSON.stringify(value));
    assert.equal(texts.length, 4 * 8 * sources.length);
    assert.equal(new Set(texts).size, texts.length, "something came twice");
  });
});
