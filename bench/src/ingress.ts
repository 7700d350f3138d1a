import { once } from "node:events";
import { Agent, request as requestPlain, type IncomingMessage } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { Agent as TlsAgent, request as requestTls } from "node:https";
import { connect as connectTls } from "node:tls";

import { Sandbox } from "@skerry/sdk";

import { caOf } from "../../test/support/outside-client.ts";
import { startServer, type TestServer } from "../../test/support/server.ts";
import { row, timed, type Row, times } from "./stats.ts";

const port = 3_000;
const bytes = 64 * 1_048_576;
const atOnce = 16;
const requests = 300;
const loads = 3;

const program = `
  import { createServer } from "node:http";
  const chunk = Buffer.alloc(65_536, 7);
  createServer((request, response) => {
    if (request.method === "PUT") return request.resume().on("end", () => response.end());
    if (request.url !== "/great") return response.end("hello");
    let left = ${bytes / 65_536};
    const send = () => { while (left-- > 0) if (!response.write(chunk)) return response.once("drain", send); response.end(); };
    send();
  }).listen(${port}, "127.0.0.1", () => console.log("ready"));
`;

/** Sends a request, with so many bytes, and reads all of its answer. */
type Ask = (path: string, upload?: number) => Promise<void>;

/** What the way in costs: requests to one server through an exposed name, and over the same dial without HTTP in between. */
export async function ingress(): Promise<Row[]> {
  await using server = await startServer({ program: "bench/src/forwarding-server.ts" });
  await using sandbox = await Sandbox.create({ endpoint: server.url, token: server.token });
  await sandbox.fs.writeTextFile("serve.mjs", program);
  const child = await sandbox.spawn("node", { args: ["serve.mjs"], stdout: "piped" });
  for await (const _ of child.stdout ?? []) break;
  const url = new URL(await sandbox.exposeHttp({ port }));
  const direct = Number(/^direct (\d+)$/m.exec(server.output())?.[1]);
  const rows: Row[] = [];
  for (const [name, open] of [
    ["direct", async () => overHttp1(requestPlain, { port: direct, agent: keepAlive(Agent) })],
    ["through a name, HTTP/1.1", async () => overHttp1(requestTls, throughName(server, url))],
    ["through a name, HTTP/2", () => overHttp2(server, url)],
  ] as const) {
    const ask = await open();
    rows.push(row(`${name}: request`, "ms", await times(requests, () => ask("/"), 50)));
    rows.push(row(`${name}: requests, ${atOnce} at once`, "1/s", await rates(ask)));
    const rate = (ms: readonly number[]): number[] => ms.map((each) => bytes / 1_000 / each);
    rows.push(row(`${name}: download`, "MB/s", rate(await times(3, () => ask("/great"), 1))));
    rows.push(row(`${name}: upload`, "MB/s", rate(await times(3, () => ask("/", bytes), 1))));
  }
  return rows;
}

/** Requests in a second, when each of some clients sends the next as soon as it has its answer. */
async function rates(ask: Ask): Promise<number[]> {
  const values: number[] = [];
  for (let load = 0; load < loads; load += 1) {
    const ms = await timed(async () => {
      await Promise.all(
        Array.from({ length: atOnce }, async () => {
          for (let i = 0; i < requests / 10; i += 1) await ask("/");
        }),
      );
    });
    values.push((atOnce * (requests / 10) * 1_000) / ms);
  }
  return values;
}

function keepAlive<T>(kind: new (options: object) => T): T {
  return new kind({ keepAlive: true, maxSockets: atOnce, noDelay: true });
}

function throughName(server: TestServer, { host, hostname }: URL) {
  return {
    ...{ port: Number(new URL(server.ingress.url).port), agent: keepAlive(TlsAgent) },
    ...{ ca: caOf(server), servername: hostname, headers: { host } },
  };
}

function overHttp1<T extends object>(
  begin: (
    options: T & { method: string; path: string; host: string },
  ) => ReturnType<typeof requestPlain>,
  options: T,
): Ask {
  return async (path, upload) => {
    const method = upload === undefined ? "GET" : "PUT";
    const sent = begin({ ...options, method, path, host: "127.0.0.1" });
    const answered = once(sent, "response") as Promise<[IncomingMessage]>;
    if (upload !== undefined) await write(sent, upload);
    sent.end();
    const [answer] = await answered;
    for await (const _ of answer);
  };
}

async function overHttp2(server: TestServer, { hostname, host, origin }: URL): Promise<Ask> {
  const socket = connectTls({
    ...{ host: "127.0.0.1", port: Number(new URL(server.ingress.url).port), ca: caOf(server) },
    ...{ servername: hostname, ALPNProtocols: ["h2"] },
  });
  await once(socket, "secureConnect");
  socket.setNoDelay(true);
  const session = connectHttp2(origin, { createConnection: () => socket });
  session.unref();
  return async (path, upload) => {
    const method = upload === undefined ? "GET" : "PUT";
    const headers = { ":method": method, ":path": path, ":authority": host };
    const stream = session.request(headers, { endStream: upload === undefined });
    if (upload !== undefined) {
      await write(stream, upload);
      stream.end();
    }
    for await (const _ of stream);
  };
}

async function write(to: NodeJS.WritableStream, count: number): Promise<void> {
  const chunk = Buffer.alloc(65_536, 7);
  for (let left = count; left > 0; left -= chunk.length) {
    if (!to.write(chunk)) await once(to, "drain");
  }
}
