import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { suite, test } from "node:test";
import { promisify } from "node:util";

import { Sandbox as OfficialSandbox } from "@deno/sandbox";
import { Sandbox } from "@skerry/sdk";

import { eventually } from "../support/eventually.ts";
import { makeTestHome, prepared } from "../support/machine-home.ts";
import { useServer } from "../support/official.ts";
import { ask } from "../support/outside-client.ts";
import { startServer, type TestServer } from "../support/server.ts";

const serve = "python3 -m http.server 8080 --bind 127.0.0.1 >/dev/null 2>&1 & echo";
const page = { headers: { accept: "text/html" } };
const runFile = promisify(execFile);

async function answers(server: TestServer, url: string): Promise<void> {
  await eventually("the server in the sandbox listens", async () => {
    return (await ask(server, url)).status === 200;
  });
}

suite("private addresses", { timeout: 400_000 }, () => {
  test("let in who has one, until its time is over", async () => {
    await using server = await startServer();
    const options = { endpoint: server.url, token: server.token };
    await using sandbox = await Sandbox.create(options);
    await sandbox.sh`bash -c ${serve}`;
    const url = await sandbox.exposeHttp({ port: 8080, private: true });
    const other = await sandbox.exposeHttp({ port: 8080, private: true });
    await answers(server, url);

    const bare = new URL(url);
    bare.search = "";
    assert.equal((await ask(server, bare, page)).status, 403, "without a token");
    const wrong = new URL(url);
    wrong.searchParams.set("skerry-token", "1.wrong");
    assert.equal((await ask(server, wrong)).status, 403, "with a wrong one");
    const foreign = new URL(bare);
    foreign.search = new URL(other).search;
    assert.equal((await ask(server, foreign)).status, 403, "with another name's");
    const short = await sandbox.signUrl(bare, { expiresInMs: 1 });
    await eventually("it has expired", async () => (await ask(server, short)).status === 403);

    const sentOn = await ask(server, url, page);
    assert.deepEqual([sentOn.status, sentOn.headers.location], [302, bare.href]);
    const [set = ""] = sentOn.headers["set-cookie"] ?? [];
    assert.match(set, /^__Host-skerry=.*; Path=\/; Secure; HttpOnly; SameSite=Lax/);
    const cookie = set.split(";")[0];
    const shown = await ask(server, bare, { headers: { ...page.headers, cookie } });
    assert.deepEqual([shown.status, /Directory listing/.test(shown.text)], [200, true]);
    const deep = await sandbox.signUrl(new URL("/etc?x=1", bare), { expires: "1h" });
    assert.equal((await ask(server, deep)).status, 404, "the server's own answer");
  });
});

suite("the way in", { timeout: 400_000 }, () => {
  test("has the API too, for the official client and for ours", async () => {
    await using server = await startServer();
    const { apiUrl, caFile } = server.ingress;
    const program = `
      import { lookup } from "node:dns";
      import dns from "node:dns";
      const own = (host, options, found) => host.endsWith(".localhost")
        ? found(null, options.all ? [{ address: "127.0.0.1", family: 4 }] : "127.0.0.1", 4)
        : lookup(host, options, found);
      dns.lookup = own;
      const { Sandbox } = await import(process.argv[1]);
      await using sandbox = await Sandbox.create();
      console.log(await sandbox.sh\`echo over TLS\`.text());
    `;
    for (const client of ["@deno/sandbox", "@skerry/sdk"]) {
      const args = ["--disable-warning=ExperimentalWarning", "--input-type=module"];
      const { stdout } = await runFile(process.execPath, [...args, "-e", program, client], {
        cwd: import.meta.dirname,
        env: {
          ...process.env,
          ...{ DENO_DEPLOY_ENDPOINT: apiUrl, DENO_SANDBOX_ENDPOINT: apiUrl },
          ...{ DENO_DEPLOY_TOKEN: server.token, NODE_EXTRA_CA_CERTS: caFile ?? "" },
        },
      });
      assert.equal(stdout, "over TLS\n\n", client);
    }
    const { host } = new URL(apiUrl);
    const byRegion = await runFile(
      process.execPath,
      ["--input-type=module", "-e", program, "@deno/sandbox"],
      {
        cwd: import.meta.dirname,
        env: {
          ...process.env,
          ...{ DENO_DEPLOY_ENDPOINT: apiUrl, DENO_SANDBOX_ENDPOINT: "" },
          DENO_SANDBOX_BASE_DOMAIN: host.replace(/^api\./, ""),
          ...{ DENO_DEPLOY_TOKEN: server.token, NODE_EXTRA_CA_CERTS: caFile ?? "" },
        },
      },
    );
    assert.equal(byRegion.stdout, "over TLS\n\n");
  });

  test("has the same names after the server was killed, or stopped, and none of those that are over", async () => {
    using home = makeTestHome(prepared().home);
    const first = await startServer({ home });
    const { port } = new URL(first.ingress.url);
    useServer(first);
    const lasting = await OfficialSandbox.create({ timeout: "10m" });
    await lasting.sh`bash -c ${serve}`;
    const url = await lasting.exposeHttp({ port: 8080 });
    const session = await OfficialSandbox.create({ port: 8080 });
    const runtime = await lasting.deno.run({
      code: `Deno.serve({ port: 0 }, () => new Response("deno"))`,
      ...{ stdout: "null", stderr: "null" },
    });
    await runtime.httpReady;
    const byProcess = await lasting.exposeHttp(runtime);
    await answers(first, url);
    assert.equal((await ask(first, byProcess)).text, "deno");
    first.process.kill("SIGKILL");
    await once(first.process, "exit");

    const args = ["--https", `127.0.0.1:${port}`, "--keep-sandboxes"];
    await using second = await startServer({ home, args });
    assert.equal((await ask(second, url)).status, 200);
    assert.equal((await ask(second, byProcess)).text, "deno");
    assert.equal((await ask(second, session.url ?? "")).status, 404);
    await second[Symbol.asyncDispose]();

    await using third = await startServer({ home, args });
    useServer(third);
    assert.equal((await ask(third, url)).status, 200);
    assert.equal((await ask(third, byProcess)).text, "deno");
    const again = await OfficialSandbox.connect(lasting.id);
    await again.kill();
    assert.equal((await ask(third, url)).status, 404);
  });

  test("is what the command line says it is", async () => {
    await using server = await startServer();
    const skerry = async (...args: string[]): Promise<string> => {
      const cli = "packages/cli/bin/skerry.mjs";
      const env = {
        ...process.env,
        ...{ SKERRY_HOME: server.home, SKERRY_ENDPOINT: server.url, SKERRY_TOKEN: server.token },
      };
      return (await runFile(process.execPath, [cli, ...args], { env })).stdout.trim();
    };
    const id = await skerry("create", "--timeout", "5m", "--expose-http", "8080");
    await skerry("exec", id, serve);
    const url = await skerry("expose", id, "8080");
    await answers(server, url);
    const hidden = await skerry("expose", id, "8080", "--private", "--expires", "1h");
    assert.equal((await ask(server, hidden)).status, 200);
    const events = await skerry("logs", id);
    assert.match(events, /http-exposed/);
    assert.match(events, /http-request/);
    assert.doesNotMatch(events, /skerry-token/);
    const variables = JSON.parse(await skerry("env", "--json")) as Record<string, string>;
    // As the page says: nothing more is told to them, neither where the name leads nor whom to trust.
    const deno = process.env["SKERRY_DENO"];
    for (const [program, args] of [
      ["curl", ["-sS", "-o", "/dev/null", "-w", "%{http_code} %{http_version}", url]],
      [process.execPath, ["-e", `fetch("${url}").then((r) => console.log(r.status))`]],
      ["python3", ["-c", `import urllib.request as u; print(u.urlopen("${url}").status)`]],
      ...(deno === undefined
        ? []
        : [[deno, ["eval", `console.log((await fetch("${url}")).status)`]] as const]),
    ] as const) {
      const { stdout } = await runFile(program, args, { env: { ...process.env, ...variables } });
      assert.match(stdout, /^200( 2)?\n?$/, program);
    }
    await skerry("kill", id);
  });
});
