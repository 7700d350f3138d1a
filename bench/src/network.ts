import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

import { Authority, type IssuedCertificate } from "@skerry/certificates";
import { Sandbox, type SandboxOptions } from "@skerry/sdk";

import { makeTestHome } from "../../test/support/machine-home.ts";
import { startNameServer } from "../../test/support/name-server.ts";
import { Outside } from "../../test/support/outside.ts";
import { startServer } from "../../test/support/server.ts";
import { row, type Row, timed, times } from "./stats.ts";

const address = "198.18.251.1";
const bytes = 64 * 1_048_576;
const connections = 300;
/** As many machines as it takes, at the connections that one may have. */
const idle = { machines: 10, connections: 1_000 } as const;

const program = ({ certificate, key }: IssuedCertificate): string => `
  import { createServer } from "node:http";
  import { createServer as createTls } from "node:https";
  const chunk = Buffer.alloc(1_048_576, 7);
  const answer = (request, response) => {
    const send = (left) => left === 0 ? response.end() : response.write(chunk, () => send(left - 1));
    send(request.url === "/great" ? ${bytes / 1_048_576} : 0);
  };
  const tls = createTls({ cert: ${JSON.stringify(certificate)}, key: ${JSON.stringify(key)} }, answer);
  for (const server of [tls, createServer(answer)]) server.keepAliveTimeout = 600_000;
  tls.listen(443, "0.0.0.0", () =>
    createServer(answer).listen({ port: 80, host: "0.0.0.0", backlog: 4_096 }, () => console.log("ready")));
`;

/** What the way out costs: through NAT, through egress, and without either, from the host itself. */
export async function network(): Promise<Row[]> {
  const authority = await Authority.load(await Authority.create("Benchmark"));
  using home = makeTestHome();
  const trust = join(home.path, "trust.pem");
  writeFileSync(trust, authority.certificate);
  const certificate = await authority.issue(["origin.test"], 1);
  await using _outside = await Outside.start([address], program(certificate));
  await using names = await startNameServer();
  names.names.set("origin.test", [address]);
  await using server = await startServer({
    args: ["--name-server", names.address, "--trust", trust],
  });
  const options = { endpoint: server.url, token: server.token };
  const rows: Row[] = [
    row("from the host itself: download", "MB/s", await rates(() => drainFromHost())),
    row("from the host itself: connection", "ms", await times(100, () => connectFromHost())),
  ];
  for (const [name, allowNet] of [
    ["through NAT", undefined],
    ["through egress", ["origin.test"]],
  ] as const) {
    await using sandbox = await Sandbox.create({ ...options, allowNet });
    const download = async (): Promise<void> => {
      await sandbox.sh`curl -sf -o /dev/null http://origin.test/great`;
    };
    rows.push(row(`${name}: download`, "MB/s", await rates(download)));
    const perConnection = Number(await sandbox.sh`python3 -c ${connecting}`.text());
    rows.push(row(`${name}: connection, from inside`, "ms", [perConnection]));
    const perName = Number(await sandbox.sh`python3 -c ${asking}`.text());
    rows.push(row(`${name}: name, from inside`, "ms", [perName]));
  }
  rows.push(...(await overTls(options)), ...(await idleConnections(options, server.process.pid)));
  return rows;
}

/** TLS that egress passes on, and TLS that it opens for a secret; the machine's own part is in both. */
async function overTls(options: SandboxOptions): Promise<Row[]> {
  const rows: Row[] = [];
  const secrets = { KEY: { hosts: ["origin.test"], value: "the value of a secret" } };
  for (const [name, more] of [
    ["TLS through egress", {}],
    ["TLS with a secret", { secrets }],
  ] as const) {
    await using sandbox = await Sandbox.create({ ...options, ...more, allowNet: ["origin.test"] });
    const download = async (): Promise<void> => {
      await sandbox.sh`curl -skf -o /dev/null https://origin.test/great`;
    };
    rows.push(row(`${name}: download`, "MB/s", await rates(download)));
    const [first, next] = JSON.parse(await sandbox.sh`python3 -c ${requesting}`.text()) as number[];
    rows.push(row(`${name}: connection and first request, from inside`, "ms", [first ?? 0]));
    rows.push(row(`${name}: next request, from inside`, "ms", [next ?? 0]));
  }
  return rows;
}

const requesting = `
import http.client, json, os, ssl, time
context = ssl._create_unverified_context()
headers = {"x-key": os.environ.get("KEY", "none")}
def ask(c):
  t = time.perf_counter(); c.request("GET", "/", headers=headers); c.getresponse().read()
  return (time.perf_counter() - t) * 1000
firsts = [ask(http.client.HTTPSConnection("origin.test", context=context)) for _ in range(40)]
c = http.client.HTTPSConnection("origin.test", context=context); ask(c)
nexts = [ask(c) for _ in range(300)]
middle = lambda list: sorted(list)[len(list) // 2]
print(json.dumps([middle(firsts), middle(nexts)]))
`;

/** What egress holds for connections over which nothing goes. */
async function idleConnections(
  options: SandboxOptions,
  serverPid: number | undefined,
): Promise<Row[]> {
  await using stack = new AsyncDisposableStack();
  const egress = egressOf(serverPid ?? 0);
  const before = residentMiB(egress);
  for (let count = 0; count < idle.machines; count += 1) {
    const allowNet = ["origin.test"];
    const sandbox = stack.use(await Sandbox.create({ ...options, memoryMb: 768, allowNet }));
    const held = await sandbox.spawn("python3", {
      args: ["-c", holding],
      ...{ stdin: "piped", stdout: "piped" },
    });
    const reader = held.stdout?.getReader();
    await reader?.read(); // it has them all
  }
  const held = residentMiB(egress) - before;
  const count = idle.machines * idle.connections;
  return [
    row(`egress: memory with ${count} idle connections`, "MiB", [before + held]),
    row("egress: memory of an idle connection", "KiB", [(held * 1_024) / count]),
  ];
}

const holding = `
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
a = socket.gethostbyname("origin.test")
held = [socket.create_connection((a, 80)) for _ in range(${idle.connections})]
print("held", flush=True)
sys.stdin.read()
`;

function egressOf(serverPid: number): number {
  const children = readFileSync(`/proc/${serverPid}/task/${serverPid}/children`, "utf8").split(" ");
  const found = children.find(
    (pid) => pid !== "" && commandOf(pid).includes("/egress/src/main.ts"),
  );
  if (found === undefined) throw new Error("there is no egress");
  return Number(found);
}

function commandOf(pid: string): string {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8");
}

function residentMiB(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) / 1_024;
}

const connecting = `
import socket, time
a = socket.gethostbyname("origin.test")
t = time.perf_counter()
for _ in range(${connections}): socket.create_connection((a, 80)).close()
print((time.perf_counter() - t) * 1000 / ${connections})
`;

const asking = `
import socket, time
t = time.perf_counter()
for _ in range(100): socket.gethostbyname("origin.test")
print((time.perf_counter() - t) * 10)
`;

async function rates(work: () => Promise<unknown>): Promise<number[]> {
  await work();
  const values: number[] = [];
  for (let i = 0; i < 4; i += 1) values.push(bytes / 1_000 / (await timed(work)));
  return values;
}

async function drainFromHost(): Promise<void> {
  const { body } = await fetch(`http://${address}/great`);
  if (body !== null) for await (const _ of body);
}

function connectFromHost(): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect(80, address, () => {
    socket.destroy();
    resolve();
  });
  socket.once("error", reject);
  return promise;
}
