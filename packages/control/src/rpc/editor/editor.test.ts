import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";

import { limits, SandboxError, type GuestSocket } from "@skerry/protocol";

import { startControl, type Fixture } from "../../testing/control-fixture.ts";
import type { RpcClient } from "../../testing/rpc-client.ts";

/** What the editor says on its descriptor 3. */
const ready = '{"port":4321}\n';

async function open(
  says: readonly string[],
): Promise<AsyncDisposable & { readonly client: RpcClient; readonly server: Fixture }> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "skerry-editor-"));
  stack.defer(() => rm(directory, { recursive: true }));
  const ingress = {
    ...{ directory, baseDomain: "skerry.localhost", publicPort: null },
    certificateFiles: null,
  };
  const server = stack.use(await startControl({ ingress }));
  const client = stack.use(await server.create());
  const { guest } = server.host.machine;
  guest.files.makeDirectory("/home/app", true);
  guest.onDial = async () => socketThat(says);
  const held = stack.move();
  return { client, server, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

function socketThat(says: readonly string[]): GuestSocket {
  return {
    output: (async function* () {
      for (const piece of says) yield Buffer.from(piece);
    })(),
    input: { write: async () => {}, end: () => {} },
    close: () => {},
  };
}

suite("an editor", () => {
  test("starts in its folder, with what was asked for and no token of this server", async () => {
    await using opened = await open(['{"po', 'rt":4321}\n']);
    const { client, server } = opened;
    const params = {
      ...{ path: "/home/app", extensions: ["a.b"], disableStopButton: true },
      ...{ preview: "http://localhost:3000/", editorSettings: { "a.b": [1] } },
      env: { NAME: "value", DENO_DEPLOY_SANDBOX_TOKEN: server.token, OTHER: server.token },
    };
    const answer = (await client.call("vscode", params)) as Record<string, number>;
    assert.deepEqual(Object.keys(answer), ["pid", "port", "stdoutStreamId", "stderrStreamId"]);
    assert.equal(answer["port"], 4321);
    const { pid = -1 } = answer;
    const scopes = (await server.control.tokens.list()).map(({ scope }) => scope.kind);
    assert.deepEqual(scopes, ["user", "sandbox"]);
    const ended = client.call("processWait", { pid, vscode: true });
    await client.call("processKill", { pid, vscode: true });
    assert.equal(((await ended) as Record<string, unknown>)["signal"], "SIGTERM");
    const said = JSON.parse((await client.output(answer["stdoutStreamId"])).toString()) as {
      readonly request: object;
      readonly env: Readonly<Record<string, string>>;
    };
    assert.deepEqual(said.request, {
      ...{ folder: "/home/app", extensions: ["a.b"], settings: { "a.b": [1] } },
      ...{ preview: "http://localhost:3000/", stopButton: false },
    });
    assert.equal(said.env["NAME"], "value");
    assert.ok(!JSON.stringify(said).includes(server.token));
    const own = said.env["DENO_DEPLOY_SANDBOX_TOKEN"] ?? "";
    assert.notEqual(own, "");
  });

  test("that does not start says why, and nothing of it goes on", async () => {
    await using opened = await open([]);
    const { client, server } = opened;
    const params = { path: "/home/app", extensions: ["broken"] };
    const { error } = (await client.ask("vscode", params)).result ?? {};
    assert.equal(error?.["message"], "The editor did not start: it[31m is | broken");
    for (const process of server.host.machine.guest.processes.values()) await process.ended;
  });

  for (const [what, says] of [
    ["no JSON", ["nonsense\n"]],
    ["no port", ['{"port":0}\n']],
    ["no end", ["x".repeat(10_000)]],
  ] as const) {
    test(`that says ${what} is ended`, async () => {
      await using opened = await open(says);
      const { client, server } = opened;
      const { error } = (await client.ask("vscode", { path: "/home/app" })).result ?? {};
      assert.match(String(error?.["message"]), /^The editor did not start/);
      for (const process of server.host.machine.guest.processes.values()) await process.ended;
    });
  }

  for (const [what, params, expected] of [
    ["the root", { path: "/" }, "Path cannot be root"],
    ["a folder that is not there", { path: "/nowhere" }, /No such file|ENOENT/],
  ] as const) {
    test(`does not open ${what}`, async () => {
      await using opened = await open([ready]);
      const { client, server } = opened;
      const { error } = (await client.ask("vscode", params)).result ?? {};
      if (typeof expected === "string") assert.equal(error?.["message"], expected);
      else assert.match(String(error?.["message"]), expected);
      assert.equal(server.host.machine.guest.processes.size, 0);
    });
  }

  for (const [what, params] of [
    ["a page that is a script", { preview: "javascript:alert(1)" }],
    ["too many extensions", { extensions: Array(limits.editorExtensionsMax + 1).fill("a.b") }],
    ["too many settings", { editorSettings: { a: "x".repeat(limits.editorSettingsBytesMax) } }],
  ] as const) {
    test(`is refused with ${what}`, async () => {
      await using opened = await open([ready]);
      const { client, server } = opened;
      const { error } = await client.ask("vscode", { path: "/home/app", ...params });
      assert.equal(error?.data?.["code"], "INVALID_PARAMS");
      assert.equal(server.host.machine.guest.processes.size, 0);
    });
  }

  test("is not there where the host cannot make it, or nothing is exposed", async () => {
    await using opened = await open([ready]);
    const { client, server } = opened;
    server.host.beforeEditor = async () => {
      throw new SandboxError("EDITOR_UNAVAILABLE", "npm is not installed");
    };
    const { error } = await client.ask("vscode", { path: "/home/app" });
    assert.equal(error?.data?.["code"], "EDITOR_UNAVAILABLE");
    assert.match(error?.message ?? "", /npm is not installed/);

    await using hidden = await startControl();
    await using other = await hidden.create();
    const refused = await other.ask("vscode", { path: "/home/app" });
    assert.equal(refused.error?.data?.["code"], "INGRESS_OFF");
    const { status } = await hidden.fetch(`/api/v3/sandbox/${other.sandboxId}/expose/vscode`, {
      method: "POST",
    });
    assert.equal(status, 501);
  });
});
