import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import {
  connect,
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type OutgoingHttpHeaders,
} from "node:http2";
import { request } from "node:https";
import { connect as connectTcp } from "node:net";
import type { Duplex } from "node:stream";
import { after, before, suite, test } from "node:test";

import { limits } from "@skerry/protocol";
import { WebSocket, WebSocketServer } from "ws";

import { eventually } from "../testing/eventually.ts";
import { startIngress, type IngressFixture } from "../testing/ingress-fixture.ts";

let way: IngressFixture;
let session: ClientHttp2Session;
before(async () => {
  way = await startIngress();
  const servername = "any.skerry.localhost"; // as a browser that uses one connection for several names
  const tls = await way.connect(servername, ["h2"]);
  session = connect("https://127.0.0.1", { createConnection: () => tls });
  await once(session, "remoteSettings");
});
after(async () => {
  session.destroy();
  await way[Symbol.asyncDispose]();
});

interface Answer {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** Sends a request over HTTP/2. */
function begin(
  domain: string,
  headers: OutgoingHttpHeaders = {},
  endStream = true,
): ClientHttp2Stream {
  return session.request({ ":authority": domain, ":path": "/", ...headers }, { endStream });
}

async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  let trailers = {};
  stream.on("trailers", (given) => (trailers = { ...given }));
  const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
  const closed = once(stream, "close");
  closed.catch(() => {}); // the reading says so too
  const chunks = (await stream.toArray()) as Buffer[];
  await closed;
  return { headers, trailers, body: Buffer.concat(chunks).toString() };
}

suite("the way in", () => {
  test("ends at once, whatever its connections are about to do", async () => {
    const own = await startIngress();
    const domain = await own.serve((_request, response) => response.write("begun"));
    const silent = connectTcp(own.port, "127.0.0.1");
    await once(silent, "connect");
    const [half, secure] = [await own.connect(domain), await own.connect(domain, ["h2"])];
    half.write(`GET / HTTP/1.1\r\nhost: ${domain}\r\n\r\n`);
    await once(half, "data");
    const ended = [silent, half, secure].map(async (socket) => {
      await once(socket.resume(), "close").catch(() => {}); // ended or reset
    });
    const startedMs = performance.now();
    await own[Symbol.asyncDispose]();
    await Promise.all(ended);
    assert.ok(performance.now() - startedMs < limits.requestHeadMs / 2);
  });
});

suite("HTTP/2", () => {
  test("brings requests and answers to a server that has HTTP/1 alone", async () => {
    const domain = await way.serve((request, response) => {
      request.resume().on("end", () => {
        response.writeHead(201, [
          ...[
            "Set-Cookie",
            "a=1",
            "Set-Cookie",
            "b=2",
            "Connection",
            "close",
            "X-Place",
            "caf\u00e9",
          ],
          ...["Content-Type", "text/plain", "Content-Type", "text/odd", "Trailer", "x-sum"],
        ]);
        response.write(JSON.stringify([request.method, request.url, request.headers]));
        response.addTrailers([["X-Sum", "7"]]);
        response.end();
      });
    });
    const stream = begin(domain, { ":path": "/p?q", cookie: ["a=1", "__Host-skerry=x", "b=2"] });
    const { headers, trailers, body } = await answerOf(stream);
    assert.equal(headers[":status"], 201);
    assert.deepEqual(headers["set-cookie"], ["a=1", "b=2"]);
    assert.equal(headers["connection"], undefined);
    assert.equal(trailers["x-sum"], "7");
    const [method, url, seen] = JSON.parse(body) as [string, string, Record<string, string>];
    assert.deepEqual([method, url], ["GET", "/p?q"]);
    assert.deepEqual([seen["host"], seen["cookie"]], [domain, "a=1; b=2"]);
    assert.equal(seen["x-forwarded-for"], "127.0.0.1");
  });

  test("streams bodies in both directions at once", async () => {
    const domain = await way.serve((request, response) => {
      request.on("data", (chunk: Buffer) => response.write(`<${chunk.toString()}>`));
      request.on("end", () => response.end());
      response.flushHeaders();
    });
    const stream = begin(domain, { ":method": "POST" }, false);
    let seen = "";
    stream.on("data", (chunk: Buffer) => (seen += chunk.toString()));
    stream.write("one");
    await eventually(() => seen === "<one>");
    stream.write("two");
    await eventually(() => seen === "<one><two>");
    stream.end();
    await once(stream, "close");
    assert.equal(stream.rstCode, constants.NGHTTP2_NO_ERROR);
  });

  test("has answers without a body, and pages of ours", async () => {
    const domain = await way.serve((request, response) => {
      response.writeHead(Number(request.url?.slice(1)), { "x-y": "z" }).end();
    });
    for (const status of [204, 205, 304]) {
      const { headers, body } = await answerOf(begin(domain, { ":path": `/${status}` }));
      assert.deepEqual([headers[":status"], headers["x-y"], body], [status, "z", ""]);
    }
    for (const status of [204, 205, 304]) {
      const lying = await way.serveRaw((socket) => {
        socket.once("data", () =>
          socket.end(`HTTP/1.1 ${status} x\r\ncontent-length: 5\r\n\r\nhello`),
        );
      });
      const { headers, body } = await answerOf(begin(lying));
      assert.deepEqual([headers[":status"], body], [status, ""]);
      assert.equal((await way.ask(lying)).body, "");
    }
    const head = await answerOf(begin(domain, { ":path": "/200", ":method": "HEAD" }));
    assert.deepEqual([head.headers[":status"], head.body], [200, ""]);
    const odd = await answerOf(begin(domain, { ":path": "/999" }));
    assert.deepEqual([odd.headers[":status"], /BAD_ANSWER/.test(odd.body)], [502, true]);
    const never = await answerOf(begin("nobody.skerry.localhost"));
    assert.deepEqual([never.headers[":status"], /NAME_NOT_FOUND/.test(never.body)], [404, true]);
    const api = await answerOf(begin("api.skerry.localhost", { ":path": "/api/v1/status" }));
    assert.equal(api.headers[":status"], 421);
  });

  test("resets a request whose answer has no end, and goes on with the others", async () => {
    const cut = await way.serveRaw((socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort"));
    });
    const whole = await way.serve((_request, response) => response.end("whole"));
    const [broken, fine] = [answerOf(begin(cut)), answerOf(begin(whole))];
    await assert.rejects(broken);
    assert.equal((await fine).body, "whole");
  });

  test("takes an answer that comes before the body has ended", async () => {
    const domain = await way.serveRaw((socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 413 No\r\ncontent-length: 2\r\n\r\nno"));
    });
    const stream = begin(domain, { ":method": "POST" }, false);
    stream.on("error", () => {});
    stream.write("x".repeat(1_000));
    const answer = await answerOf(stream);
    assert.deepEqual([answer.headers[":status"], answer.body], [413, "no"]);
  });

  test("refuses what is no request", async () => {
    const stream = session.request({ ":method": "CONNECT", ":authority": "example.com:25" });
    const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
    assert.equal(headers[":status"], 405);
    stream.close();
  });
});

/** A name whose server sends WebSocket messages back, in the protocol "echo" where that is offered. */
async function echo(): Promise<string> {
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "echo" });
  const server = createServer((_request, response) => response.writeHead(426).end("no upgrade"));
  server.on("upgrade", (message, socket: Duplex, head) => {
    if (message.url === "/refused") {
      socket.end("HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno");
      return;
    }
    sockets.handleUpgrade(message, socket, head, (client) => {
      client.on("message", (data, isBinary) => client.send(data, { binary: isBinary }));
      client.send(`hello from ${message.headers["host"]}`);
    });
  });
  return await way.serve(server);
}

suite("WebSocket messages", () => {
  const open = (domain: string, path = "/", protocols: string[] = []): WebSocket =>
    new WebSocket(`wss://${domain}${path}`, protocols, {
      ...{ ca: way.ca, servername: domain.split(":")[0] },
      lookup: (_name, _options, found) => found(null, [{ address: "127.0.0.1", family: 4 }]),
    });

  test("pass over HTTP/1, also those that come with the handshake", async () => {
    const domain = await echo();
    const socket = open(domain, "/", ["echo"]);
    const seen: string[] = [];
    socket.on("message", (data: Buffer) => seen.push(data.toString()));
    await once(socket, "open");
    assert.equal(socket.protocol, "echo");
    socket.send("one");
    socket.send("x".repeat(300_000));
    await eventually(() => seen.length === 3);
    assert.deepEqual([seen[0], seen[1], seen[2]?.length], [`hello from ${domain}`, "one", 300_000]);
    socket.close(4_001, "enough");
    const [code] = (await once(socket, "close")) as [number];
    assert.equal(code, 4_001);
  });

  test("are refused by the server in its own words, or by us in ours", async () => {
    const refusalOf = async (socket: WebSocket): Promise<number> => {
      const [, answer] = (await once(socket, "unexpected-response")) as [
        unknown,
        { statusCode: number },
      ];
      socket.on("error", () => {});
      socket.terminate();
      return answer.statusCode;
    };
    assert.equal(await refusalOf(open(await echo(), "/refused")), 403);
    assert.equal(await refusalOf(open((await way.expose(9)).domain)), 502);
  });

  test("end on both sides when one is cut off", async () => {
    let closed = 0;
    const domain = await way.serveRaw((socket) => {
      socket.once("data", () => {
        socket.write(
          "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\nhi",
        );
      });
      socket.once("close", () => closed++);
    });
    const sent = request({
      ...{ host: "127.0.0.1", port: way.port, ca: way.ca, agent: false },
      servername: domain.split(":")[0],
      headers: { host: domain, connection: "Upgrade", upgrade: "websocket" },
    });
    sent.end();
    const [, socket, head] = (await once(sent, "upgrade")) as [unknown, Duplex, Buffer];
    const first = head.length > 0 ? head : ((await once(socket, "data")) as [Buffer])[0];
    assert.equal(first.toString(), "hi");
    socket.destroy();
    await eventually(() => closed === 1);
  });

  test("pass over HTTP/2, as extended CONNECT", async () => {
    const domain = await echo();
    const stream = begin(
      domain,
      {
        ":method": "CONNECT",
        ":protocol": "websocket",
        ":scheme": "https",
        "sec-websocket-version": "13",
      },
      false,
    );
    const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
    assert.equal(headers[":status"], 200);
    assert.equal(headers["sec-websocket-accept"], undefined);
    let seen = Buffer.alloc(0);
    stream.on("data", (chunk: Buffer) => (seen = Buffer.concat([seen, chunk])));
    const greeting = `hello from ${domain}`;
    await eventually(() => seen.subarray(2).toString() === greeting);
    stream.write(Buffer.from([0x81, 0x83, 0, 0, 0, 0, ...Buffer.from("two")]));
    await eventually(() => seen.subarray(-5).equals(Buffer.from([0x81, 3, ...Buffer.from("two")])));
    stream.close();
    await once(stream, "close");
  });
});
