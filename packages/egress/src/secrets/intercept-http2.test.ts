import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  connect,
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { buffer, text } from "node:stream/consumers";
import { suite, test } from "node:test";

import { intercepted, type Interception } from "./interception-fixture.ts";
import { placeholderOf, secretWith } from "./testing.ts";

const here = secretWith("a");
const elsewhere = secretWith("b", { hosts: ["other.example"] });
const inBody = secretWith("c", { in: ["body"] });
const secrets = [here, elsewhere, inBody];
const [a, b, c] = [placeholderOf("a"), placeholderOf("b"), placeholderOf("c")];

type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void | Promise<void>;

interface Opened extends AsyncDisposable {
  readonly place: Interception;
  readonly session: ClientHttp2Session;
  ask(headers: OutgoingHttpHeaders, body?: Buffer): ClientHttp2Stream;
}

async function open(onStream: OnStream): Promise<Opened> {
  const place = await intercepted(secrets, null);
  place.origin.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    void onStream(stream, headers);
  });
  const socket = await place.open(["h2", "http/1.1"]);
  assert.equal(socket.alpnProtocol, "h2");
  const session = connect("https://api.example", { createConnection: () => socket });
  session.on("error", () => {});
  return {
    ...{ place, session },
    ask(headers, body) {
      const stream = session.request({ ":authority": "api.example", ...headers });
      stream.end(body);
      return stream;
    },
    async [Symbol.asyncDispose]() {
      session.destroy();
      await place[Symbol.asyncDispose]();
    },
  };
}

async function answerTo(stream: ClientHttp2Stream): Promise<[IncomingHttpHeaders, Buffer]> {
  const [headers] = (await once(stream, "response")) as [IncomingHttpHeaders];
  return [headers, await buffer(stream)];
}

suite("a request over HTTP/2", () => {
  test("has the value, and its answer does not", async () => {
    let seen: IncomingHttpHeaders = {};
    await using opened = await open((stream, headers) => {
      seen = headers;
      stream.respond({ ":status": 200, "x-you-said": String(headers["x-key"]) });
      stream.end(`you said ${String(headers["x-key"])}`);
    });
    const asked = opened.ask({ ":path": "/p?q=1", "x-key": a, cookie: ["m=1", "n=2"] });
    const [headers, body] = await answerTo(asked);
    const stars = "*".repeat(here.value.length);
    assert.equal(seen["x-key"], here.value);
    assert.equal(seen[":path"], "/p?q=1");
    assert.equal(seen[":authority"], "api.example");
    assert.equal(seen.cookie, "m=1; n=2");
    assert.equal(seen["accept-encoding"], "identity");
    assert.equal(headers["x-you-said"], stars);
    assert.equal(body.toString(), `you said ${stars}`);
  });

  test("is one of many at once over one connection, each with every byte of its bodies", async () => {
    await using opened = await open((stream, headers) => {
      stream.respond({ ":status": 200, "x-n": String(headers["x-n"]) });
      stream.pipe(stream);
    });
    const bodies = Array.from({ length: 30 }, () => randomBytes(200_000));
    const answers = await Promise.all(
      bodies.map(
        async (body, n) => await answerTo(opened.ask({ ":method": "POST", "x-n": n }, body)),
      ),
    );
    for (const [n, [headers, body]] of answers.entries()) {
      assert.equal(headers["x-n"], String(n));
      assert.ok(body.equals(bodies[n] ?? Buffer.alloc(0)));
    }
    assert.equal(opened.place.connections.count, 1);
  });

  test("streams both ways as it comes, with trailers, as gRPC does", async () => {
    await using opened = await open((stream) => {
      stream.respond({ ":status": 200 }, { waitForTrailers: true });
      let sent = "";
      stream.once(
        "trailers",
        (trailers: IncomingHttpHeaders) => (sent = String(trailers["x-sent"])),
      );
      stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "x-got": sent }));
      stream.pipe(stream);
    });
    const stream = opened.session.request(
      { ":method": "POST", ":authority": "api.example", te: "trailers" },
      { waitForTrailers: true },
    );
    stream.once("wantTrailers", () => stream.sendTrailers({ "x-sent": "7" }));
    stream.write("one");
    await once(stream, "response");
    const [first] = (await once(stream, "data")) as [Buffer];
    assert.equal(first.toString(), "one");
    const trailers = once(stream, "trailers");
    stream.end("two");
    assert.equal(await text(stream), "two");
    const [got] = (await trailers) as [IncomingHttpHeaders];
    assert.equal(got["grpc-status"], "0");
    assert.equal(got["x-got"], "7");
  });

  test("has values in its body where the secret may be there", async () => {
    let seen: unknown;
    await using opened = await open(async (stream, headers) => {
      seen = [headers["content-length"], await text(stream)];
      stream.respond({ ":status": 204 });
      stream.end();
    });
    const body = Buffer.from(`{"key":"${c}"}`);
    const [headers] = await answerTo(
      opened.ask(
        { ":method": "POST", "content-type": "application/json", "content-length": body.length },
        body,
      ),
    );
    const filled = `{"key":"${inBody.value}"}`;
    assert.deepEqual(seen, [String(filled.length), filled]);
    assert.equal(headers[":status"], 204);
  });

  for (const [what, headers, status, reason] of [
    ["has another host", { ":authority": "evil.example" }, 421, "other-host"],
    ["has two hosts", { host: "evil.example" }, 421, "other-host"],
    ["has the secret of another host", { "x-key": b }, 403, "secret-elsewhere"],
  ] as const) {
    test(`does not go over when it ${what}`, async () => {
      let isSeen = false;
      await using opened = await open((stream) => {
        isSeen = true;
        stream.respond({ ":status": 200 });
        stream.end();
      });
      const [answer, body] = await answerTo(opened.ask(headers));
      assert.equal(answer[":status"], status);
      assert.match(body.toString(), /^\{"code":/);
      assert.equal(isSeen, false);
      assert.deepEqual(
        opened.place.refused.map(([why]) => why),
        [reason],
      );
    });
  }

  test("ends as the server ends it", async () => {
    await using opened = await open((stream, headers) => {
      stream.on("error", () => {});
      if (headers[":path"] === "/none") return stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      stream.respond({ ":status": 200, "content-length": 10 });
      stream.write("half", () => stream.destroy(new Error("the server fails")));
      return undefined;
    });
    const none = opened.ask({ ":path": "/none" });
    await assert.rejects(once(none, "response"));
    assert.equal(none.rstCode, constants.NGHTTP2_ENHANCE_YOUR_CALM);
    const half = opened.ask({ ":path": "/half" });
    await assert.rejects(answerTo(half));
    assert.equal(half.rstCode, constants.NGHTTP2_INTERNAL_ERROR);
  });

  test("is given up at the server when the machine gives it up", async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    await using opened = await open((stream) => {
      stream.on("error", () => {});
      stream.once("close", () => resolve(stream.rstCode));
      stream.respond({ ":status": 200 });
    });
    const stream = opened.ask({});
    await once(stream, "response");
    stream.close(constants.NGHTTP2_CANCEL);
    assert.equal(await promise, constants.NGHTTP2_CANCEL);
  });

  test("makes the machine's connection end when the server's does", async () => {
    await using opened = await open((stream) => {
      stream.session?.destroy();
    });
    const closed = once(opened.session, "close");
    opened.ask({}).on("error", () => {});
    await closed;
  });
});
