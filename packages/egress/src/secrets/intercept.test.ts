import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { Agent, request, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { suite, test } from "node:test";

import fc from "fast-check";

import { intercepted, type Interception } from "./interception-fixture.ts";
import { placeholderOf, secretWith } from "./testing.ts";

const here = secretWith("a");
const elsewhere = secretWith("b", { hosts: ["other.example"] });
const inBody = secretWith("c", { in: ["header", "body"] });
const secrets = [here, elsewhere, inBody];
const [a, b, c] = [placeholderOf("a"), placeholderOf("b"), placeholderOf("c")];

interface Asked {
  readonly agent?: Agent;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | number>>;
}

interface Answer {
  readonly message: IncomingMessage;
  readonly body: Buffer;
}

/** One request over a connection of its own, or over an agent's. */
async function ask(place: Interception, options: Asked = {}, body?: Buffer): Promise<Answer> {
  const socket = options.agent === undefined ? await place.open() : undefined;
  const asked = request({
    ...(socket !== undefined && { createConnection: () => socket }),
    ...options,
    headers: { host: "api.example", ...options.headers },
  });
  asked.end(body);
  const [message] = (await once(asked, "response")) as [IncomingMessage];
  return { message, body: await buffer(message) };
}

suite("a request that goes over to the server", () => {
  test("has the value, and its answer does not", async () => {
    let seen = "";
    await using place = await intercepted(secrets, (message, response) => {
      seen = message.headers.authorization ?? "";
      response.setHeader("x-you-said", seen);
      response.end(`you said ${seen}`);
    });
    const headers = { authorization: `Bearer ${a}` };
    const { message, body } = await ask(place, { headers });
    assert.equal(seen, `Bearer ${here.value}`);
    const stars = "*".repeat(here.value.length);
    assert.equal(message.headers["x-you-said"], `Bearer ${stars}`);
    assert.equal(body.toString(), `you said Bearer ${stars}`);
    assert.deepEqual(place.refused, []);
  });

  test("keeps its method, path, header order and letters, and its bodies every byte", async () => {
    const sent = randomBytes(3_000_000);
    const given = randomBytes(3_000_000);
    let seen: unknown;
    await using place = await intercepted(secrets, async (message, response) => {
      const body = await buffer(message);
      seen = [message.method, message.url, message.rawHeaders, body.equals(sent)];
      response.writeHead(
        207,
        "As Is",
        [
          ["Set-Cookie", "a=1"],
          ["Set-Cookie", "b=2"],
        ].flat(),
      );
      response.end(given);
    });
    const socket = await place.open();
    const asked = request({
      ...{ method: "REPORT", path: "/a//b/../c?d=%20&d", createConnection: () => socket },
      headers: [
        "Host",
        "api.example",
        "X-Odd",
        "1",
        "content-length",
        String(sent.length),
        "x-ODD",
        "2",
      ],
    });
    asked.end(sent);
    const [message] = (await once(asked, "response")) as [IncomingMessage];
    assert.ok((await buffer(message)).equals(given));
    const order = ["Host", "api.example", "X-Odd", "1", "content-length", "3000000", "x-ODD", "2"];
    assert.deepEqual(seen, [
      "REPORT",
      "/a//b/../c?d=%20&d",
      [...order, "Connection", "keep-alive"],
      true,
    ]);
    assert.equal(message.statusCode, 207);
    assert.equal(message.statusMessage, "As Is");
    assert.deepEqual(message.headers["set-cookie"], ["a=1", "b=2"]);
  });

  test("ends where it says, even when it calls that a matter of the connection", async () => {
    const seen: string[] = [];
    await using place = await intercepted(secrets, async (message, response) => {
      seen.push(`${message.method} ${message.url} ${(await buffer(message)).toString()}`);
      response.end();
    });
    const socket = await place.open();
    const inner = "GET /inner HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    const head = `GET / HTTP/1.1\r\nHost: api.example\r\nConnection: content-length, host\r\n`;
    socket.write(`${head}Content-Length: ${inner.length}\r\n\r\n${inner}`);
    await once(socket, "data");
    assert.deepEqual(seen, [`GET / ${inner}`]);
  });

  test("is one of many over the same connection, and over another when the server ends it", async () => {
    await using place = await intercepted(secrets, async (message, response) => {
      await buffer(message);
      if (message.url === "/last") response.setHeader("connection", "close");
      response.end(message.headers["x-key"]);
    });
    const socket = await place.open();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    agent.createConnection = () => socket;
    for (const path of ["/1", "/2", "/last", "/4"]) {
      const method = path === "/2" ? "POST" : "GET";
      const { body } = await ask(place, { agent, path, method, headers: { "x-key": a } });
      assert.equal(body.toString(), "*".repeat(here.value.length));
    }
    assert.equal(place.connections.count, 2);
    agent.destroy();
  });

  test("streams chunks and trailers both ways as they come", async () => {
    await using place = await intercepted(secrets, (message, response) => {
      response.writeHead(200, { trailer: "x-sum" });
      message.on("data", (chunk: Buffer) => response.write(chunk));
      message.on("end", () => {
        response.addTrailers({ "x-sum": String(message.trailers["x-sent"]) });
        response.end();
      });
    });
    const socket = await place.open();
    const asked = request({
      ...{ method: "POST", createConnection: () => socket },
      headers: { host: "api.example", "transfer-encoding": "chunked", trailer: "x-sent" },
    });
    asked.write("one");
    const [message] = (await once(asked, "response")) as [IncomingMessage];
    const [first] = (await once(message, "data")) as [Buffer];
    assert.equal(first.toString(), "one", "before the request has ended");
    asked.addTrailers({ "x-sent": "7" });
    asked.end("two");
    assert.equal(await text(message), "two");
    assert.equal(message.trailers["x-sum"], "7");
  });

  test("waits for the server's word where it says that it expects one", async () => {
    await using place = await intercepted([here], () => {});
    place.origin.on("checkContinue", (message: IncomingMessage, response) => {
      response.writeContinue();
      message.pipe(response);
    });
    const socket = await place.open();
    const asked = request({
      ...{ method: "PUT", createConnection: () => socket },
      headers: { host: "api.example", expect: "100-continue", "content-length": 4 },
    });
    asked.flushHeaders();
    await once(asked, "continue");
    asked.end("body");
    const [message] = (await once(asked, "response")) as [IncomingMessage];
    assert.equal(await text(message), "body");
  });

  test("may be one for another protocol, which then goes both ways", async () => {
    await using place = await intercepted(secrets, (_message, response) => {
      response.end("no");
    });
    place.origin.on("upgrade", (message: IncomingMessage, socket) => {
      const key = String(message.headers["x-key"]);
      socket.write(`HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: x\r\nX-Key: ${key}\r\n\r\n`);
      socket.write(`key ${key};`);
      socket.pipe(socket);
    });
    const socket = await place.open();
    const asked = request({
      createConnection: () => socket,
      headers: { host: "api.example", connection: "upgrade", upgrade: "x", "x-key": a },
    });
    asked.end();
    const [message, raw, first] = (await once(asked, "upgrade")) as [
      IncomingMessage,
      typeof socket,
      Buffer,
    ];
    const stars = "*".repeat(here.value.length);
    assert.equal(message.headers["x-key"], stars);
    raw.unshift(first);
    raw.write("hello");
    const expected = `key ${stars};hello`;
    let got = "";
    for await (const chunk of raw as AsyncIterable<Buffer>) {
      got += chunk.toString();
      if (got.length >= expected.length) break;
    }
    assert.equal(got, expected);
  });

  test("may be answered with no, when it asks for another protocol", async () => {
    await using place = await intercepted(secrets, (_message, response) => {
      response.end("no");
    });
    place.origin.on("upgrade", (_message: IncomingMessage, socket) => {
      socket.end("HTTP/1.1 426 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    });
    const headers = { connection: "upgrade", upgrade: "x" };
    const { message, body } = await ask(place, { headers });
    assert.deepEqual([message.statusCode, body.toString()], [426, "no"]);
  });

  test("has values in its body where the secret may be there, and says its new length", async () => {
    let seen = "";
    await using place = await intercepted(secrets, async (message, response) => {
      seen = `${message.headers["content-length"]} ${await text(message)}`;
      response.end();
    });
    const body = Buffer.from(JSON.stringify({ key: c, other: a }));
    const headers = { "content-type": "application/json", "content-length": body.length };
    await ask(place, { method: "POST", headers }, body);
    const filled = JSON.stringify({ key: inBody.value, other: a });
    assert.equal(seen, `${filled.length} ${filled}`);
  });

  test("ends as the server ends it", async () => {
    await using place = await intercepted(secrets, (_message, response) => {
      response.socket?.destroy();
    });
    await assert.rejects(ask(place), { code: "ECONNRESET" });
    await using broken = await intercepted(secrets, (_message, response) => {
      response.writeHead(200, { "content-length": 10 });
      response.write("12345", () => {
        response.socket?.destroy();
      });
    });
    await assert.rejects(ask(broken), { code: "ECONNRESET" });
  });
});

suite("a request that does not go over to the server", () => {
  for (const [what, options, status, reason] of [
    ["has another host", { headers: { host: "evil.example" } }, 421, "other-host"],
    ["has another port", { headers: { host: "api.example:8443" } }, 421, "other-host"],
    ["has the secret of another host", { headers: { "x-key": b } }, 403, "secret-elsewhere"],
    ["is meant for a proxy", { path: "http://evil.example/" }, 400, "other-host"],
  ] as const) {
    test(`is one that ${what}`, async () => {
      let isSeen = false;
      await using place = await intercepted(secrets, (_message, response) => {
        isSeen = true;
        response.end();
      });
      const { message, body } = await ask(place, options);
      assert.equal(message.statusCode, status);
      assert.match(body.toString(), /^\{"code":"[A-Z_]+","message":"[^"]+"\}\n$/);
      assert.equal(isSeen, false);
      assert.deepEqual(
        place.refused.map(([why]) => why),
        [reason],
      );
    });
  }

  test("is one that is smuggled, or no request at all", async () => {
    const paths: string[] = [];
    await using place = await intercepted(secrets, (message, response) => {
      paths.push(message.url ?? "");
      response.end();
    });
    const host = "Host: api.example\r\n";
    for (const raw of [
      `POST / HTTP/1.1\r\n${host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n`,
      `GET / HTTP/1.1\r\n${host}Host: evil.example\r\n\r\n`,
      `GET / HTTP/1.1\r\n\r\n`,
      `CONNECT api.example:443 HTTP/1.1\r\n${host}\r\n`,
      `GET / HTTP/1.1\r\n${host}X: ${"x".repeat(70_000)}\r\n\r\n`,
      `GET / HTTP/1.1\r\n${host}A: 1\rB: 2\r\n\r\n`,
      "\0\0\0\0",
      "EHLO there\r\n",
    ]) {
      const socket = await place.open();
      socket.on("error", () => {});
      socket.write(raw);
      socket.resume();
      await once(socket, "close").catch(() => {}); // ended or reset
    }
    assert.deepEqual(paths, []);
  });

  test("is one to a server whose certificate is not good, and that server gets nothing", async () => {
    let isSeen = false;
    await using place = await intercepted(
      secrets,
      (_message, response) => {
        isSeen = true;
        response.end();
      },
      "evil.example",
    );
    await assert.rejects(place.open(), /alert bad certificate/i);
    assert.deepEqual(place.refused, [["bad-certificate", undefined]]);
    assert.equal(isSeen, false);
  });

  test("leaves a server that goes on, whatever comes", async () => {
    await using place = await intercepted(secrets, (_message, response) => {
      response.end("ok");
    });
    const line = fc.constantFrom(
      "GET / HTTP/1.1",
      "Host: api.example",
      `k: ${b}`,
      "",
      "Content-Length: 5",
      "0",
      "x: y",
    );
    const noise = fc
      .uint8Array({ maxLength: 40 })
      .map((bytes) => Buffer.from(bytes).toString("latin1"));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(line, noise)), async (lines) => {
        const socket = await place.open();
        socket.on("error", () => {});
        socket.resume();
        socket.end(Buffer.from(lines.join("\r\n"), "latin1"));
        await once(socket, "close").catch(() => {}); // ended or reset
      }),
      { numRuns: 100 },
    );
    const { body } = await ask(place);
    assert.equal(body.toString(), "ok");
    assert.ok((place.origin.address() as AddressInfo).port > 0);
  });
});
