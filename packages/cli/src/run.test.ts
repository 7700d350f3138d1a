import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { FakeServer, ok, testId, type FakeClient, type Handlers } from "@skerry/sdk/testing";

import { CommandFailure } from "./failure.ts";
import { resolveServer, serverCommand } from "./installed.ts";
import { run } from "./run.ts";
import { fakeContext, type FakeContext } from "./testing/fake-context.ts";

const exit = (code: number): object => ok({ success: code === 0, code, signal: null, oom: null });

function print(client: FakeClient, streamId: number, bytes: Uint8Array | string): number {
  client.notify("$sandbox.stream.start", { streamId });
  client.enqueue(streamId, bytes);
  client.notify("$sandbox.stream.end", { streamId });
  return streamId;
}

/** Commands that print these and end with this code. */
function printing(stdout: Uint8Array | string, stderr: string, code: number): Handlers {
  return {
    spawn: (_params, client) =>
      ok({
        pid: 42,
        stdoutStreamId: print(client, 1, stdout),
        stderrStreamId: print(client, 2, stderr),
      }),
    processWait: () => exit(code),
  };
}

const summary = {
  ...{ id: testId, region: "ord", status: "running", stoppedAt: null, memoryMb: 1280 },
  ...{ createdAt: "2026-01-02T03:04:05.000Z", labels: { a: "\u001b[31mb" }, stopAt: null },
};

/** Runs `skerry` against a server. */
function skerry(server: FakeServer, context: FakeContext, ...args: string[]): Promise<number> {
  const [verb = "", ...rest] = args;
  const { endpoint, token } = server.options;
  return run([verb, "--endpoint", endpoint, "--token", token, ...rest], context);
}

suite("skerry exec", () => {
  test("passes input and output through, byte for byte, and the exit code", async () => {
    await using server = await FakeServer.listen({
      ...printing(new Uint8Array([0, 255, 27, 10]), "warning\n", 3),
      processWait: async (_params, client) => {
        if (!client.received.some(({ method }) => method === "$sandbox.stream.end")) {
          await client.next("$sandbox.stream.end");
        }
        return exit(3);
      },
    });
    const context = fakeContext();
    context.stdin.end(Buffer.from([1, 200]));
    const words = [testId, "--cwd", "/tmp", "echo", "-n", "a  b", "|", "wc"];
    assert.equal(await skerry(server, context, "exec", ...words), 3);
    assert.deepEqual(context.written, { stdout: "\u0000\u00ff\u001b\n", stderr: "warning\n" });
    const received = server.clients[0]?.received ?? [];
    const spawn = received.find(({ method }) => method === "spawn")?.params;
    assert.deepEqual(spawn?.["args"], ["-c", "echo -n a  b | wc"]);
    assert.equal(spawn?.["cwd"], "/tmp");
    const input = received.filter(({ method }) => method === "$sandbox.stream.enqueue");
    assert.deepEqual(
      input.map(({ params }) => params["data"]),
      ["Acg="],
    );
    assert.equal(context.listeners.size, 0);
  });

  test("ends with its command, also when the input goes on", async () => {
    await using server = await FakeServer.listen(printing("", "", 0));
    const context = fakeContext({ sandboxId: testId });
    assert.equal(await skerry(server, context, "exec", "true"), 0);
    assert.equal(context.stdin.destroyed, true);
  });

  test("prints one JSON object when asked to", async () => {
    await using server = await FakeServer.listen(printing("out\n", "err\u009b", 1));
    const context = fakeContext({ sandboxId: testId });
    assert.equal(await skerry(server, context, "exec", "--json", "--", "x"), 1);
    assert.doesNotMatch(context.written.stdout, /\u009b/);
    assert.deepEqual(JSON.parse(context.written.stdout), {
      ...{ id: testId, code: 1, signal: null, oom: false, stdout: "out\n", stderr: "err\u009b" },
    });
  });

  test("ends a command that writes to nobody, as a pipe would", async () => {
    const ended = Promise.withResolvers<object>();
    await using server = await FakeServer.listen({
      spawn: (_params, client) => {
        client.notify("$sandbox.stream.start", { streamId: 1 });
        client.enqueue(1, "y\n");
        return ok({ pid: 42, stdoutStreamId: 1, stderrStreamId: 2 }); // neither of them ends
      },
      processKill: ({ signal }, client) => {
        print(client, 2, "");
        ended.resolve(exit(signal === "SIGPIPE" ? 141 : 1));
        return ok();
      },
      processWait: () => ended.promise,
    });
    const context = fakeContext({ sandboxId: testId });
    context.stdout.destroy(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    context.stdout.on("error", () => {}); // it is what this is about
    assert.equal(await skerry(server, context, "exec", "yes"), 141);
  });

  test("passes a signal on, and leaves at the second", async () => {
    await using server = await FakeServer.listen({
      spawn: () => ok({ pid: 42, stdoutStreamId: null, stderrStreamId: null }),
      processWait: () => new Promise(() => {}),
      processKill: () => ok(),
    });
    const context = fakeContext({ sandboxId: testId });
    const accepted = server.nextClient();
    const done = skerry(server, context, "exec", "sleep", "9");
    const client = await accepted;
    await client.next("processWait");
    const killed = client.next("processKill");
    context.send("SIGINT");
    assert.deepEqual((await killed).params, { pid: 42, signal: "SIGINT" });
    context.send("SIGINT");
    assert.equal(await done, 1);
    assert.match(context.written.stderr, /closed by this client/);
  });

  test("needs a sandbox and a command", async () => {
    await using server = await FakeServer.listen();
    for (const args of [
      ["exec"],
      ["exec", "ls"],
      ["exec", testId],
      ["run"],
      ["kill"],
      ["extend", testId],
    ]) {
      assert.equal(await skerry(server, fakeContext(), ...args), 2);
    }
  });
});

suite("skerry code", () => {
  test("starts VS Code in a folder, and prints an address for one opening", async () => {
    const domain = "name.skerry.localhost:8443/?skerry-token=once";
    const started = { pid: 7, port: 4321, stdoutStreamId: 1, stderrStreamId: 2 };
    await using server = await FakeServer.listen({
      vscode: () => ok(started),
      exposeHttp: () => ok(),
      processWait: () => new Promise(() => {}),
    });
    server.respond = () => ({ status: 200, body: JSON.stringify({ domain }) });
    const context = fakeContext();
    assert.equal(await skerry(server, context, "code", testId, "/home/app"), 0);
    assert.equal(context.written.stdout, `https://${domain}\n`);
    const received = server.clients[0]?.received ?? [];
    const params = (method: string): unknown =>
      received.find((call) => call.method === method)?.params;
    assert.deepEqual((params("vscode") as { path: string }).path, "/home/app");
    assert.deepEqual(params("exposeHttp"), { domain, port: 4321 });
    assert.equal(await skerry(server, fakeContext(), "code", testId, "/a", "/b"), 2);
  });
});

suite("skerry expose", () => {
  const domain = "name.skerry.localhost:8443";
  const answer = (body: string): { status: number; body: string } => {
    const isPrivate = body.includes("private");
    const url = `https://${domain}/${isPrivate ? "?skerry-token=1.x" : ""}`;
    return { status: 200, body: JSON.stringify({ domain, url }) };
  };

  test("prints the address of a port", async () => {
    await using server = await FakeServer.listen({ exposeHttp: () => ok() });
    server.respond = (_line, body) => answer(body);
    const context = fakeContext();
    assert.equal(await skerry(server, context, "expose", testId, "8080"), 0);
    assert.equal(context.written.stdout, `https://${domain}\n`);
    const [call] = server.clients[0]?.received ?? [];
    assert.deepEqual(call?.params, { domain, port: 8080 });
  });

  test("prints a signed address for a private one", async () => {
    await using server = await FakeServer.listen({ exposeHttp: () => ok() });
    server.respond = (_line, body) => answer(body);
    const context = fakeContext();
    const words = [testId, "80", "--private", "--expires", "2h"];
    assert.equal(await skerry(server, context, "expose", ...words), 0);
    assert.equal(context.written.stdout, `https://${domain}/?skerry-token=1.x\n`);
    assert.deepEqual(JSON.parse(server.requests[0]?.body ?? ""), {
      private: true,
      expires_in_ms: 7_200_000,
    });
  });

  test("takes one port, and a time for a private one alone", async () => {
    await using server = await FakeServer.listen();
    for (const words of [[], ["http"], ["0"], ["1", "2"], ["80", "--expires", "1m"]]) {
      assert.equal(await skerry(server, fakeContext(), "expose", testId, ...words), 2);
    }
    assert.equal(server.clients.length, 0);
  });

  test("is a part of create", async () => {
    await using server = await FakeServer.listen({ exposeHttp: () => ok() });
    server.respond = (_line, body) => answer(body);
    const context = fakeContext();
    const words = ["--timeout", "5m", "--expose-http", "8080"];
    assert.equal(await skerry(server, context, "create", ...words), 0);
    assert.deepEqual(context.written, {
      stdout: `${testId}\n`,
      stderr: `https://${domain} is port 8080\n`,
    });
  });
});

suite("skerry create", () => {
  test("with a duration prints the ID and goes", async () => {
    await using server = await FakeServer.listen();
    const context = fakeContext();
    const options = [
      "--timeout",
      "5m",
      "--memory",
      "2GiB",
      "--label",
      "a=b",
      "--env",
      "K=v",
      "--region",
      "ams",
    ];
    assert.equal(await skerry(server, context, "create", ...options), 0);
    assert.deepEqual(context.written, { stdout: `${testId}\n`, stderr: "" });
    const headers = server.clients[0]?.request.headers ?? {};
    const config = JSON.parse(
      Buffer.from(String(headers["x-deno-sandbox-config"]), "base64").toString(),
    ) as Record<string, unknown>;
    const { stop_at_ms, ...rest } = config;
    assert.equal(typeof stop_at_ms, "number");
    assert.deepEqual(rest, { memory_mb: 2048, labels: { a: "b" }, env: { K: "v" } });
    assert.equal(headers["x-skerry-region"], "ams");
  });

  test("as a session holds on until Ctrl-C", async () => {
    await using server = await FakeServer.listen();
    const context = fakeContext();
    const accepted = server.nextClient();
    const done = skerry(server, context, "create");
    const client = await accepted;
    const closed = new Promise((resolve) => client.socket.once("close", resolve));
    while (context.listeners.size === 0) await new Promise(setImmediate);
    assert.deepEqual(context.written, {
      stdout: `${testId}\n`,
      stderr: "Ctrl+C to stop the sandbox.\n",
    });
    context.send("SIGINT");
    assert.equal(await done, 0);
    assert.equal(await closed, 1000);
  });

  test("says when a session ends by itself", async () => {
    await using server = await FakeServer.listen();
    const context = fakeContext();
    const accepted = server.nextClient();
    const done = skerry(server, context, "create", "--json");
    (await accepted).socket.close(1011, "machine crashed\u001b[2J");
    assert.equal(await done, 1);
    assert.match(context.written.stderr, /machine crashed\)/);
  });

  test("runs a command and keeps its exit code, in a sandbox that stays or goes", async () => {
    await using server = await FakeServer.listen(printing("hi\n", "", 7));
    for (const [args, stderr] of [
      [["create", "echo", "hi"], ""],
      [["create", "--lifetime", "1m", "echo", "hi"], `${testId}\n`],
      [["create", "--lifetime", "1m", "-q", "echo", "hi"], ""],
      [["run", "--", "echo", "hi"], ""],
    ] as const) {
      const context = fakeContext();
      assert.equal(await skerry(server, context, ...args), 7);
      assert.deepEqual(context.written, { stdout: "hi\n", stderr });
    }
  });

  test("says what is wrong with an option, and what the server refuses", async () => {
    await using server = await FakeServer.listen();
    server.refusal = {
      status: 400,
      body: '{"code":"INVALID_LABELS","message":"Too many. Use 5.","remedy":"Use 5."}',
    };
    const context = fakeContext();
    assert.equal(await skerry(server, context, "create", "--timeout", "5 weeks"), 1);
    assert.match(context.written.stderr, /^error: Invalid duration: "5 weeks"\.\nExamples/);
    const other = fakeContext();
    assert.equal(await skerry(server, other, "create"), 1);
    assert.equal(other.written.stderr, "error: Too many.\nUse 5.\n");
    const clash = ["--timeout", "5m", "--lifetime", "6m"];
    assert.equal(await skerry(server, fakeContext(), "create", ...clash), 2);
  });
});

suite("skerry list, kill, extend", () => {
  test("lists in a table that no label can break, or in JSON", async () => {
    await using server = await FakeServer.listen();
    server.respond = () => ({ status: 200, body: JSON.stringify([summary]) });
    const context = fakeContext();
    assert.equal(await skerry(server, context, "ls", "--label", "a=b"), 0);
    assert.equal(
      context.written.stdout,
      `ID                            CREATED              REGION  STATUS   UPTIME   LABELS
${testId}  2026-01-02 03:04:05  ord     running  55m 55s  a=b
`,
    );
    assert.equal(server.requests[0]?.line, "GET /api/v2/sandboxes?labels%5Ba%5D=b");
    const json = fakeContext();
    assert.equal(await skerry(server, json, "list", "--json"), 0);
    const [first] = JSON.parse(json.written.stdout) as { readonly id: string }[];
    assert.equal(first?.id, testId);
  });

  test("ends every sandbox that it can, and says which it cannot", async () => {
    await using server = await FakeServer.listen();
    const gone = "sbx_ord_00000000000000000000";
    server.respond = (line) =>
      line.includes(gone)
        ? { status: 404, body: '{"code":"SANDBOX_NOT_FOUND","message":"No such sandbox."}' }
        : { status: 200, body: "" };
    const context = fakeContext();
    assert.equal(await skerry(server, context, "rm", gone, testId), 1);
    assert.deepEqual(context.written, {
      stdout: `${testId}\n`,
      stderr: "error: No such sandbox.\n",
    });
  });

  test("extends and prints what was granted", async () => {
    await using server = await FakeServer.listen();
    server.respond = () => ({ status: 200, body: '{"stop_at_ms":1767323045000}' });
    const context = fakeContext({ sandboxId: testId });
    assert.equal(await skerry(server, context, "extend", "10m"), 0);
    assert.equal(await skerry(server, context, "extend", testId, "10m", "--json"), 0);
    assert.match(context.written.stdout, /^2026-01-02T03:04:05\.000Z\n\{/);
  });
});

suite("who may use the server", () => {
  const user = {
    ...{ id: "usr_1", name: "alice", role: "member", createdAt: "2026-01-02T03:04:05.000Z" },
    organization: { id: "org_1", name: "acme" },
  };
  const token = {
    ...{ id: "tok_1", name: "laptop", user: "usr_1", scope: "sandbox", sandbox: testId },
    ...{ createdAt: "2026-01-02T03:04:05.000Z", expiresAt: null, lastUsedAt: null },
  };

  for (const [args, line, answer, printed] of [
    [["users"], "GET /api/v1/users", [user], /usr_1 +alice +member +acme/],
    [["users", "me"], "GET /api/v1/users/me", user, /^alice of acme \(member\)\n$/],
    [["users", "create", "alice"], "POST /api/v1/users", user, /^usr_1\n$/],
    [["users", "delete", "alice"], "DELETE /api/v1/users/alice", null, /^$/],
    [["orgs"], "GET /api/v1/organizations", [user.organization], /org_1 +acme/],
    [["tokens"], "GET /api/v1/tokens", [token], /tok_1 +laptop +sbx_\S+ .* never +never/],
    [["tokens", "--user", "a"], "GET /api/v1/tokens?user=a", [token], /tok_1/],
    [
      ["tokens", "create", "x", "--for", testId, "--expires", "1h"],
      "POST /api/v1/tokens",
      { ...token, token: "ddo_1" },
      /^ddo_1\n$/,
    ],
    [["tokens", "revoke", "tok_1"], "DELETE /api/v1/tokens/tok_1", null, /^$/],
  ] as const) {
    test(`is asked and changed by ${args.join(" ")}`, async () => {
      await using server = await FakeServer.listen();
      const body = Array.isArray(answer)
        ? answer.map((each: object) => ({ createdAt: user.createdAt, ...each }))
        : answer;
      server.respond = () => ({ status: 200, body: body === null ? "" : JSON.stringify(body) });
      const context = fakeContext();
      assert.equal(await skerry(server, context, ...args), 0, context.written.stderr);
      assert.equal(server.requests[0]?.line, line);
      assert.match(context.written.stdout, printed);
    });
  }

  for (const args of [
    ["users", "x"],
    ["users", "create"],
    ["orgs", "x"],
    ["tokens", "create"],
  ]) {
    test(`is not asked by ${args.join(" ")}, which makes no sense`, async () => {
      await using server = await FakeServer.listen();
      assert.equal(await skerry(server, fakeContext(), ...args), 2);
      assert.equal(server.requests.length, 0);
    });
  }
});

suite("skerry", () => {
  for (const [args, code, stdout] of [
    [[], 2, /Verbs:/],
    [["--help"], 0, /Verbs:/],
    [["--version"], 0, /^\d+\.\d+\.\d+\n$/],
    [["create", "--help"], 0, /--lifetime DURATION/],
    [["-q", "--version"], 0, /^\d+\.\d+\.\d+\n$/],
    [["--token", "x", "list", "--help"], 0, /Usage: skerry list/],
    [
      ["list", "-y", "--org", "mine", "--config", "deno.json", "-j", "--help"],
      0,
      /Usage: skerry list/,
    ],
    [["nope"], 2, /^$/],
    [["list", "--nope"], 2, /^$/],
  ] as const) {
    test(`${args.join(" ") || "alone"} ends with ${code}`, async () => {
      const context = fakeContext();
      assert.equal(await run(args, context), code);
      assert.match(context.written.stdout, stdout);
    });
  }

  for (const args of [["volumes", "ls"], ["switch"]]) {
    test(`${args.join(" ")} says that it is not there yet, and changes nothing`, async () => {
      await using server = await FakeServer.listen();
      const context = fakeContext();
      assert.equal(await skerry(server, context, ...args), 1);
      assert.match(context.written.stderr, /not implemented yet/);
      assert.deepEqual([server.clients.length, server.requests.length], [0, 0]);
    });
  }

  test("what nobody expects is thrown, so that its stack is seen", async () => {
    const context = fakeContext();
    const broken = { ...context, now: () => assert.fail("a bug") };
    await using server = await FakeServer.listen();
    server.respond = () => ({ status: 200, body: JSON.stringify([summary]) });
    await assert.rejects(skerry(server, broken, "list"), /a bug/);
  });

  test("hands over to a server that is installed, and says when there is none", async () => {
    const load = async (): Promise<unknown> => ({ imagesCommand: async () => 5 });
    assert.equal(await (await serverCommand("imagesCommand", load))([]), 5);
    await assert.rejects(
      serverCommand("imagesCommand", async () => ({})),
      CommandFailure,
    );
    const missing = Object.assign(new Error("none"), { code: "ERR_MODULE_NOT_FOUND" });
    assert.throws(() => resolveServer(() => assert.fail(missing)), CommandFailure);
  });
});
