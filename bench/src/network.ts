import { connect } from "node:net";

import { Sandbox } from "@skerry/sdk";

import { startNameServer } from "../../test/support/name-server.ts";
import { Outside } from "../../test/support/outside.ts";
import { startServer } from "../../test/support/server.ts";
import { row, type Row, timed, times } from "./stats.ts";

const address = "198.18.251.1";
const bytes = 64 * 1_048_576;
const connections = 300;

const program = `
  import { createServer } from "node:http";
  const chunk = Buffer.alloc(1_048_576, 7);
  const server = createServer((request, response) => {
    const send = (left) => left === 0 ? response.end() : response.write(chunk, () => send(left - 1));
    send(request.url === "/great" ? ${bytes / 1_048_576} : 0);
  });
  server.listen(80, "0.0.0.0", () => console.log("ready"));
`;

/** What the way out costs: through NAT, through egress, and without either, from the host itself. */
export async function network(): Promise<Row[]> {
  await using _outside = await Outside.start([address], program);
  await using names = await startNameServer();
  names.names.set("origin.test", [address]);
  await using server = await startServer({ args: ["--name-server", names.address] });
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
  return rows;
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
