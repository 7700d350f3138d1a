import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { after, before, suite, test } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";

import { Sandbox } from "@deno/sandbox";
import { WebSocket } from "ws";

import { eventually } from "../support/eventually.ts";
import { useServer } from "../support/official.ts";
import { ask, caOf, open } from "../support/outside-client.ts";
import { startServer, type TestServer } from "../support/server.ts";

const mebibyte = 1_048_576;
const great = 64 * mebibyte;

/** An application of Express as people write them, with WebSockets beside it. */
const application = `
  import { createHash } from "node:crypto";
  import express from "express";
  import { WebSocketServer } from "ws";
  const app = express();
  app.get("/", (request, response) => response.json({ headers: request.headers, ip: request.ip }));
  app.post("/json", express.json(), (request, response) => response.json({ got: request.body }));
  app.put("/upload", (request, response) => {
    const hash = createHash("sha256");
    let bytes = 0;
    request.on("data", (chunk) => { hash.update(chunk); bytes += chunk.length; });
    request.on("end", () => response.json({ bytes, sha256: hash.digest("hex") }));
  });
  app.get("/download", (_request, response) => {
    const chunk = Buffer.alloc(${mebibyte});
    for (let i = 0; i < chunk.length; i++) chunk[i] = (i * 31 + (i >> 8)) & 255;
    let left = ${great / mebibyte};
    const send = () => { while (left-- > 0) if (!response.write(chunk)) return response.once("drain", send); response.end(); };
    send();
  });
  let next = () => {};
  app.get("/events", (request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    let count = 0;
    next = () => response.write("data: " + count++ + "\\n\\n");
    next();
  });
  app.post("/next", (_request, response) => { next(); response.end(); });
  const server = app.listen(3000, "127.0.0.1", () => console.log("ready"));
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary })));
`;

/** What no server of good will says. */
const hostile = `
  import net from "node:net";
  const raw = (port, answer) => net.createServer((socket) => { socket.on("error", () => {}); socket.once("data", () => answer(socket)); }).listen(port);
  raw(4001, (socket) => socket.end("this is not HTTP\\r\\n\\r\\n"));
  raw(4002, (socket) => { const more = () => { while (socket.write("x: " + "y".repeat(1000) + "\\r\\n")); socket.once("drain", more); }; socket.write("HTTP/1.1 200 OK\\r\\n"); more(); });
  raw(4003, (socket) => socket.end("HTTP/1.1 200 OK\\r\\ncontent-length: 100\\r\\n\\r\\nshort"));
  raw(4004, (socket) => socket.end("HTTP/1.1 200 OK\\r\\nset-cookie: a=1; Domain=skerry.localhost\\r\\ncontent-length: 2\\r\\n\\r\\nokHTTP/1.1 200 OK\\r\\ncontent-length: 8\\r\\n\\r\\nsmuggled"));
  raw(4005, (socket) => socket.destroy());
  console.log("ready");
`;

let server: TestServer;
let sandbox: Sandbox;
let url: string;

before(
  async () => {
    server = await startServer();
    useServer(server);
    sandbox = await Sandbox.create();
    await sandbox.sh`npm install --no-audit --no-fund --silent express@5.1.0 ws@8.18.3`;
    await start("app.mjs", application);
    url = await sandbox.exposeHttp({ port: 3000 });
  },
  { timeout: 240_000 },
);
after(async () => {
  await sandbox.close();
  await server[Symbol.asyncDispose]();
});

/** Starts a program, and waits until it says that it is ready. */
async function start(name: string, program: string): Promise<void> {
  await sandbox.fs.writeTextFile(name, program);
  const child = await sandbox.spawn("node", { args: [name], stdout: "piped", stderr: "null" });
  const reader = child.stdout!.getReader();
  assert.match(new TextDecoder().decode((await reader.read()).value), /ready/);
}

/** A connection with TLS, as a client of the exposed application makes it. */
async function connection(protocols: readonly string[] = ["http/1.1"]): Promise<TLSSocket> {
  const socket = connectTls({
    ...{ host: "127.0.0.1", port: Number(new URL(server.ingress.url).port), ca: caOf(server) },
    ...{ servername: new URL(url).hostname, ALPNProtocols: [...protocols] },
  });
  socket.on("error", () => {}); // those who wait hear of it
  await once(socket, "secureConnect");
  return socket;
}

suite("an application in a sandbox", { timeout: 400_000 }, () => {
  test("is reached from outside, over TLS that our authority vouches for", async () => {
    const answer = await ask(server, `${url}/json`, {
      ...{ method: "POST", headers: { "content-type": "application/json" } },
      body: JSON.stringify({ a: [1, "é"] }),
    });
    assert.deepEqual(JSON.parse(answer.text), { got: { a: [1, "é"] } });
    assert.match(String(answer.headers["content-type"]), /application\/json/);
    const untrusting = connectTls({
      ...{ host: "127.0.0.1", port: Number(new URL(server.ingress.url).port) },
      servername: new URL(url).hostname,
    });
    await assert.rejects(once(untrusting, "secureConnect"), /self-signed|unable to/);
  });

  test("hears who asks from us, and neither made-up addresses nor our tokens", async () => {
    const { text } = await ask(server, url, {
      headers: {
        ...{ "x-forwarded-for": "1.2.3.4", "x-real-ip": "1.2.3.4" },
        authorization: `Bearer ${server.token}`,
      },
    });
    const { headers } = JSON.parse(text) as { headers: Record<string, string> };
    assert.equal(headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(headers["host"], new URL(url).host);
    assert.doesNotMatch(text, /1\.2\.3\.4/);
    assert.ok(!text.includes(server.token));
  });

  test("speaks HTTP/2 with those who do", async () => {
    const socket = await connection(["h2"]);
    assert.equal(socket.alpnProtocol, "h2");
    const session = connectHttp2(url, { createConnection: () => socket });
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const stream = session.request({ ":path": "/" });
        const chunks = (await stream.toArray()) as Buffer[];
        return (JSON.parse(Buffer.concat(chunks).toString()) as { ip: string }).ip;
      }),
    );
    assert.equal(answers.length, 20);
    session.close();
    await once(session, "close");
  });

  test("speaks WebSocket", async () => {
    const { hostname, port } = new URL(url);
    const socket = new WebSocket(`wss://${hostname}:${port}/`, {
      ca: caOf(server),
      lookup: (_name, _options, found) => found(null, [{ address: "127.0.0.1", family: 4 }]),
    });
    await once(socket, "open");
    for (const message of ["hello", "x".repeat(mebibyte)]) {
      socket.send(message);
      const [data] = (await once(socket, "message")) as [Buffer];
      assert.equal(data.toString(), message);
    }
    socket.close();
    await once(socket, "close");
  });

  test("sends events, each of which arrives when it is sent", async () => {
    const answer = await open(server, `${url}/events`);
    let seen = "";
    let expected = "";
    answer.on("data", (chunk: Buffer) => (seen += chunk.toString()));
    for (let count = 0; count < 3; count++) {
      expected += `data: ${count}\n\n`;
      await eventually(`event ${count} is there`, () => seen === expected);
      await ask(server, `${url}/next`, { method: "POST" });
    }
    answer.destroy();
  });

  test("takes and gives files of any size, byte by byte as they are", async () => {
    const chunk = randomBytes(mebibyte);
    const hash = createHash("sha256");
    const chunks = Array.from({ length: great / mebibyte }, () => chunk);
    for (const each of chunks) hash.update(each);
    const body = (async function* () {
      yield* chunks;
    })();
    const sent = await ask(server, `${url}/upload`, { method: "PUT", body });
    assert.deepEqual(JSON.parse(sent.text), { bytes: great, sha256: hash.digest("hex") });

    const expected = Buffer.from(
      Uint8Array.from({ length: mebibyte }, (_, i) => (i * 31 + (i >> 8)) & 255),
    );
    const whole = createHash("sha256");
    for (let i = 0; i < great / mebibyte; i++) whole.update(expected);
    const got = createHash("sha256");
    let bytes = 0;
    for await (const piece of await open(server, `${url}/download`)) {
      got.update(piece as Buffer);
      bytes += (piece as Buffer).length;
    }
    assert.deepEqual([bytes, got.digest("hex")], [great, whole.digest("hex")]);
  });
});

suite("what goes on when its sandbox ends", { timeout: 400_000 }, () => {
  test("is cut off, and does not hold up anything", async () => {
    const other = await Sandbox.create({ port: 3000 });
    await other.fs.writeTextFile(
      "slow.mjs",
      'import http from "node:http"; http.createServer((_, r) => r.write("begun")).listen(3000);',
    );
    await other.spawn("node", { args: ["slow.mjs"], stdout: "null", stderr: "null" });
    const answer = await eventually("it serves", async () => {
      const given = await open(server, other.url ?? "");
      return given.statusCode === 200 && given;
    });
    const failed = once(answer.resume(), "error");
    await other.kill();
    await failed;
    assert.equal((await ask(server, other.url ?? "")).status, 404);
  });
});

suite("the way in stands", { timeout: 400_000 }, () => {
  test("servers that are hostile", async () => {
    await start("hostile.mjs", hostile);
    for (const [port, status] of [
      [4001, 502],
      [4002, 502],
      [4005, 502],
    ] as const) {
      const answer = await ask(server, await sandbox.exposeHttp({ port }));
      assert.equal(answer.status, status, String(port));
    }
    await assert.rejects(ask(server, await sandbox.exposeHttp({ port: 4003 })));
    const twice = await sandbox.exposeHttp({ port: 4004 });
    for (let i = 0; i < 3; i++) {
      const answer = await ask(server, twice);
      assert.deepEqual([answer.text, answer.headers["set-cookie"]], ["ok", ["a=1"]]);
    }
    assert.equal((await ask(server, url)).status, 200);
  });

  test("clients that take for ever over their requests", async () => {
    const sockets = await Promise.all(Array.from({ length: 10 }, () => connection()));
    const closed = sockets.map((socket) => once(socket.resume(), "close"));
    const drip = setInterval(() => {
      for (const socket of sockets) socket.write("x");
    }, 500);
    sockets.forEach((socket) =>
      socket.write(`GET / HTTP/1.1\r\nhost: ${new URL(url).host}\r\nx: `),
    );
    for (const protocol of ["http/1.1", "h2"]) {
      const silent = await connection([protocol]);
      closed.push(once(silent.resume(), "close"));
    }
    assert.equal((await ask(server, url)).status, 200);
    await Promise.all(closed);
    clearInterval(drip);
  });

  test("a flood of connections and requests", async () => {
    const sockets = await Promise.all(Array.from({ length: 200 }, () => connection()));
    for (const socket of sockets) {
      socket.write(`GET /events HTTP/1.1\r\nhost: ${new URL(url).host}\r\n\r\n`);
    }
    await Promise.all(sockets.map((socket) => once(socket, "data")));
    const statuses = await Promise.all(
      Array.from({ length: 100 }, async () => (await ask(server, url)).status),
    );
    assert.ok(statuses.includes(200));
    assert.ok(statuses.every((status) => status === 200 || status === 503));
    for (const socket of sockets) socket.destroy();
    await eventually("all may ask again", async () => (await ask(server, url)).status === 200);
    assert.equal(await sandbox.sh`echo fine`.text(), "fine\n");
  });
});
